//! A DeepLabV3 laid out for inference on a CPU.

use super::DeepLabV3Config;
use crate::placement::Batch;
use crate::segmentation::{LabelMap, Sliding, slide};
use candle::{Result, Tensor};
use ghostnetv2::{Plan, Timings};

/// A DeepLabV3 laid out for inference on a CPU, one plan from pixels to logits; see
/// [`DeepLabV3::plan`](super::DeepLabV3::plan). Share it between threads.
#[derive(Debug)]
pub struct DeepLabV3Plan {
    config: DeepLabV3Config,
    plan: Plan,
}

impl DeepLabV3Plan {
    pub(super) fn new(config: DeepLabV3Config, plan: Plan) -> Self {
        Self { config, plan }
    }

    /// What the network looks like.
    pub fn config(&self) -> &DeepLabV3Config {
        &self.config
    }

    /// The plan itself.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Logits. A shape that is new is laid out first.
    ///
    /// # Shapes
    /// As [`DeepLabV3::forward_t`](super::DeepLabV3::forward_t).
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.plan.forward(x)
    }

    /// As [`DeepLabV3Plan::forward`], and adds the time of each step to `timings`; the pictures of
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

    /// [`DeepLabV3Plan::segment_batch`] with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        let reading = (self.config.classes, false);
        slide(reading, batch, sliding, |window| self.forward(window))
    }
}
