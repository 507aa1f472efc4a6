//! A Semantic FPN laid out for inference on a CPU.

use super::{LabelMap, SemanticFpnConfig, Sliding, slide};
use crate::placement::Batch;
use candle::{Result, Tensor};
use ghostnetv2::{Plan, Timings};

/// A Semantic FPN laid out for inference on a CPU, one plan from pixels to logits; see
/// [`SemanticFpn::plan`](super::SemanticFpn::plan). Share it between threads.
#[derive(Debug)]
pub struct SegmenterPlan {
    config: SemanticFpnConfig,
    plan: Plan,
}

impl SegmenterPlan {
    pub(super) fn new(config: SemanticFpnConfig, plan: Plan) -> Self {
        Self { config, plan }
    }

    /// What the network looks like.
    pub fn config(&self) -> &SemanticFpnConfig {
        &self.config
    }

    /// The plan itself.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Logits at a quarter of the input's size. A shape that is new is laid out first.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, classes, ceil(H / 4), ceil(W / 4)]`.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.plan.forward(x)
    }

    /// As [`SegmenterPlan::forward`], and adds the time of each step to `timings`; the pictures of
    /// a batch go through one by one.
    ///
    /// # Errors
    /// As there.
    pub fn forward_timed(&self, x: &Tensor, timings: &mut Timings) -> Result<Tensor> {
        self.plan.forward_timed(x, timings)
    }

    /// The classes of each picture's own pixels.
    ///
    /// # Errors
    /// An input that the network can't take, or weights that give no numbers.
    pub fn segment_batch(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.config.label_maps(&self.forward(&batch.pixels)?, batch)
    }

    /// [`SegmenterPlan::segment_batch`] with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        let reading = (self.config.classes, self.config.align_corners);
        slide(reading, batch, sliding, |window| self.forward(window))
    }
}
