//! RetinaNet.

use super::{Detects, Network};
use candle::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Plan, PlanOptions, Timings};
use heads::boxes::Detections;
use heads::placement::{Batch, InputConfig};
use heads::retinanet::{DetectorPlan, RawOutputs, RetinaNet, RetinaNetConfig};

impl Network for RetinaNet {
    type Config = RetinaNetConfig;
    type Laid = DetectorPlan;
    type Raw = RawOutputs;
    type Answer = Detections;

    fn build(config: &RetinaNetConfig, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        Self::ghostnet(config, backbone, vb)
    }

    fn load(
        config: &RetinaNetConfig,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        Self::load(config, backbone, checkpoint, device)
    }

    fn with_classes_of(
        config: &RetinaNetConfig,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<RetinaNetConfig, Error> {
        config.with_classes_of(checkpoint)
    }

    fn backbone(config: &RetinaNetConfig) -> &'static str {
        config.names.backbone()
    }

    fn input(config: &RetinaNetConfig) -> InputConfig {
        config.input
    }

    fn config(&self) -> &RetinaNetConfig {
        self.config()
    }

    fn forward(&self, x: &Tensor) -> Result<RawOutputs> {
        self.forward_t(x, false)
    }

    fn lay_out(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<DetectorPlan> {
        self.plan(shape, options)
    }

    fn plan(laid: &DetectorPlan) -> &Plan {
        laid.plan()
    }

    fn forward_laid(
        laid: &DetectorPlan,
        x: &Tensor,
        timings: Option<&mut Timings>,
    ) -> Result<RawOutputs> {
        match timings {
            Some(timings) => laid.forward_timed(x, timings),
            None => laid.forward(x),
        }
    }

    fn answers_laid(laid: &DetectorPlan, batch: &Batch) -> Result<Vec<Detections>> {
        laid.detect_batch(batch)
    }

    fn answers(
        config: &RetinaNetConfig,
        raw: &RawOutputs,
        batch: &Batch,
    ) -> Result<Vec<Detections>> {
        config.detections(raw, batch)
    }
}

impl Detects for RetinaNet {
    fn classes(config: &RetinaNetConfig) -> usize {
        config.classes
    }

    /// `logits.3` are those of P3, the finest level.
    fn named(raw: &RawOutputs) -> Vec<(String, Tensor)> {
        let levels = |what: &'static str, maps: &[Tensor]| {
            let named = |(i, map): (usize, &Tensor)| (format!("{what}.{i}"), map.clone());
            (3..).zip(maps).map(named).collect::<Vec<_>>()
        };
        [levels("logits", &raw.logits), levels("deltas", &raw.deltas)].concat()
    }
}
