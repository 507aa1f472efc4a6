//! YOLOv3.

use super::{Detects, Network};
use candle::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Plan, PlanOptions, Timings};
use heads::boxes::Detections;
use heads::placement::{Batch, InputConfig};
use heads::yolov3::{YoloV3, YoloV3Config, YoloV3Plan};

impl Network for YoloV3 {
    type Config = YoloV3Config;
    type Laid = YoloV3Plan;
    type Raw = Vec<Tensor>;
    type Answer = Detections;

    fn build(config: &YoloV3Config, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        Self::ghostnet(config, backbone, vb)
    }

    fn load(
        config: &YoloV3Config,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        Self::load(config, backbone, checkpoint, device)
    }

    fn with_classes_of(
        config: &YoloV3Config,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<YoloV3Config, Error> {
        config.with_classes_of(checkpoint)
    }

    fn backbone(config: &YoloV3Config) -> &'static str {
        config.backbone()
    }

    fn input(config: &YoloV3Config) -> InputConfig {
        config.input
    }

    fn config(&self) -> &YoloV3Config {
        self.config()
    }

    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.forward_t(x, false)
    }

    fn lay_out(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<YoloV3Plan> {
        self.plan(shape, options)
    }

    fn plan(laid: &YoloV3Plan) -> &Plan {
        laid.plan()
    }

    fn forward_laid(
        laid: &YoloV3Plan,
        x: &Tensor,
        timings: Option<&mut Timings>,
    ) -> Result<Vec<Tensor>> {
        match timings {
            Some(timings) => laid.forward_timed(x, timings),
            None => laid.forward(x),
        }
    }

    fn answers_laid(laid: &YoloV3Plan, batch: &Batch) -> Result<Vec<Detections>> {
        laid.detect_batch(batch)
    }

    fn answers(config: &YoloV3Config, raw: &Vec<Tensor>, batch: &Batch) -> Result<Vec<Detections>> {
        config.detections(raw, batch)
    }
}

impl Detects for YoloV3 {
    fn classes(config: &YoloV3Config) -> usize {
        config.classes
    }

    /// `raw.5` is that of stride 32, the coarsest level, `raw.3` that of the finest.
    fn named(raw: &Vec<Tensor>) -> Vec<(String, Tensor)> {
        let named = |(i, map): (usize, &Tensor)| (format!("raw.{i}"), map.clone());
        (3..=5).rev().zip(raw).map(named).collect()
    }
}
