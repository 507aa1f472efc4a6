//! A YOLOv3 laid out for inference on a CPU.

use super::YoloV3Config;
use crate::boxes::Detections;
use crate::placement::Batch;
use candle::{Result, Tensor};
use ghostnetv2::{Plan, Timings};

/// A YOLOv3 laid out for inference on a CPU, one plan from pixels to raw outputs; see
/// [`YoloV3::plan`](super::YoloV3::plan). Share it between threads.
#[derive(Debug)]
pub struct YoloV3Plan {
    config: YoloV3Config,
    plan: Plan,
}

impl YoloV3Plan {
    pub(super) fn new(config: YoloV3Config, plan: Plan) -> Self {
        Self { config, plan }
    }

    /// What the detector looks like.
    pub fn config(&self) -> &YoloV3Config {
        &self.config
    }

    /// The plan itself.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Raw outputs of each level, coarse to fine. A shape that is new is laid out first.
    ///
    /// # Shapes
    /// As [`YoloV3::forward_t`](super::YoloV3::forward_t).
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.plan.forward_all(x)
    }

    /// As [`YoloV3Plan::forward`], and adds the time of each step to `timings`; the pictures of a
    /// batch go through one by one.
    ///
    /// # Errors
    /// As there.
    pub fn forward_timed(&self, x: &Tensor, timings: &mut Timings) -> Result<Vec<Tensor>> {
        self.plan.forward_all_timed(x, timings)
    }

    /// What is in each picture of a batch, in its own pixels.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn detect_batch(&self, batch: &Batch) -> Result<Vec<Detections>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        self.config.detections(&self.forward(&batch.pixels)?, batch)
    }
}
