//! DeepLabV3.

use super::{Network, Segments};
use candle::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Plan, PlanOptions, Timings};
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config, DeepLabV3Plan};
use heads::placement::{Batch, InputConfig};
use heads::segmentation::{LabelMap, Sliding};

impl Network for DeepLabV3 {
    type Config = DeepLabV3Config;
    type Laid = DeepLabV3Plan;
    type Raw = Tensor;
    type Answer = LabelMap;

    fn build(config: &DeepLabV3Config, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        Self::ghostnet(config, backbone, vb)
    }

    fn load(
        config: &DeepLabV3Config,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        Self::load(config, backbone, checkpoint, device)
    }

    fn with_classes_of(
        config: &DeepLabV3Config,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<DeepLabV3Config, Error> {
        config.with_classes_of(checkpoint)
    }

    fn backbone(config: &DeepLabV3Config) -> &'static str {
        config.backbone()
    }

    fn input(config: &DeepLabV3Config) -> InputConfig {
        config.input
    }

    fn config(&self) -> &DeepLabV3Config {
        self.config()
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, false)
    }

    fn lay_out(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<DeepLabV3Plan> {
        self.plan(shape, options)
    }

    fn plan(laid: &DeepLabV3Plan) -> &Plan {
        laid.plan()
    }

    fn forward_laid(
        laid: &DeepLabV3Plan,
        x: &Tensor,
        timings: Option<&mut Timings>,
    ) -> Result<Tensor> {
        match timings {
            Some(timings) => laid.forward_timed(x, timings),
            None => laid.forward(x),
        }
    }

    fn answers_laid(laid: &DeepLabV3Plan, batch: &Batch) -> Result<Vec<LabelMap>> {
        laid.segment_batch(batch)
    }

    fn answers(config: &DeepLabV3Config, raw: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        config.label_maps(raw, batch)
    }
}

impl Segments for DeepLabV3 {
    fn classes(config: &DeepLabV3Config) -> usize {
        config.classes
    }

    fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        self.segment_sliding(batch, sliding)
    }

    fn slide_laid(laid: &DeepLabV3Plan, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        laid.segment_sliding(batch, sliding)
    }
}
