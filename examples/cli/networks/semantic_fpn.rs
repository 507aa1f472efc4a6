//! Semantic FPN.

use super::{Network, Segments};
use candle::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Plan, PlanOptions, Timings};
use heads::placement::{Batch, InputConfig};
use heads::segmentation::{LabelMap, SegmenterPlan, SemanticFpn, SemanticFpnConfig, Sliding};

impl Network for SemanticFpn {
    type Config = SemanticFpnConfig;
    type Laid = SegmenterPlan;
    type Raw = Tensor;
    type Answer = LabelMap;

    fn build(config: &SemanticFpnConfig, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        Self::ghostnet(config, backbone, vb)
    }

    fn load(
        config: &SemanticFpnConfig,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        Self::load(config, backbone, checkpoint, device)
    }

    fn with_classes_of(
        config: &SemanticFpnConfig,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<SemanticFpnConfig, Error> {
        config.with_classes_of(checkpoint)
    }

    fn backbone(config: &SemanticFpnConfig) -> &'static str {
        config.names.backbone()
    }

    fn input(config: &SemanticFpnConfig) -> InputConfig {
        config.input
    }

    fn config(&self) -> &SemanticFpnConfig {
        self.config()
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, false)
    }

    fn lay_out(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<SegmenterPlan> {
        self.plan(shape, options)
    }

    fn plan(laid: &SegmenterPlan) -> &Plan {
        laid.plan()
    }

    fn forward_laid(
        laid: &SegmenterPlan,
        x: &Tensor,
        timings: Option<&mut Timings>,
    ) -> Result<Tensor> {
        match timings {
            Some(timings) => laid.forward_timed(x, timings),
            None => laid.forward(x),
        }
    }

    fn answers_laid(laid: &SegmenterPlan, batch: &Batch) -> Result<Vec<LabelMap>> {
        laid.segment_batch(batch)
    }

    fn answers(config: &SemanticFpnConfig, raw: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        config.label_maps(raw, batch)
    }
}

impl Segments for SemanticFpn {
    fn classes(config: &SemanticFpnConfig) -> usize {
        config.classes
    }

    fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        self.segment_sliding(batch, sliding)
    }

    fn slide_laid(laid: &SegmenterPlan, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        laid.segment_sliding(batch, sliding)
    }
}
