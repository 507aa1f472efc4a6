//! A detector laid out for inference on a CPU.

use super::{LevelOutputs, Logits, RawOutputs, RetinaNetConfig};
use crate::boxes::Detections;
use crate::placement::Batch;
use candle::{Result, Tensor};
use ghostnetv2::{Output, Plan, Selection, Timings};

/// A detector laid out for inference on a CPU, one plan from pixels to raw outputs; see
/// [`RetinaNet::plan`](super::RetinaNet::plan). Share it between threads.
#[derive(Debug)]
pub struct DetectorPlan {
    config: RetinaNetConfig,
    plan: Plan,
}

impl DetectorPlan {
    pub(super) fn new(config: RetinaNetConfig, plan: Plan) -> Self {
        Self { config, plan }
    }

    /// What the detector looks like.
    pub fn config(&self) -> &RetinaNetConfig {
        &self.config
    }

    /// The plan itself, whose outputs are the logits of all levels, then their differences.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Logits and differences at each level. A shape that is new is laid out first.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → see [`RawOutputs`].
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<RawOutputs> {
        Ok(raw_outputs(self.plan.forward_all(x)?))
    }

    /// As [`DetectorPlan::forward`], and adds the time of each step to `timings`; the pictures of a
    /// batch go through one by one.
    ///
    /// # Errors
    /// As there.
    pub fn forward_timed(&self, x: &Tensor, timings: &mut Timings) -> Result<RawOutputs> {
        Ok(raw_outputs(self.plan.forward_all_timed(x, timings)?))
    }

    /// What is in each picture of a batch, in its own pixels.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn detect_batch(&self, batch: &Batch) -> Result<Vec<Detections>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        // Of the logits, the first half of the outputs, only those that may become detections.
        let levels = self.plan.engine().output_shapes().len() / 2;
        let postprocess = &self.config.postprocess;
        let candidates = Selection { above: postprocess.floor(), most: postprocess.candidates };
        self.plan.forward_with(&batch.pixels, &vec![Some(candidates); levels], |outputs| {
            let (logits, deltas) = outputs.split_at(levels);
            let cells: Vec<_> = logits.iter().map(|(shape, _)| (shape[2], shape[3])).collect();
            let of_picture = |picture| {
                let pairs = logits.iter().zip(deltas);
                let levels = pairs.map(|(&(_, logits), &(_, deltas))| LevelOutputs {
                    logits: match logits {
                        Output::All(values) => Logits::All(batch.share(values, picture)),
                        Output::Above(above) => Logits::Above(above.picture(picture)),
                    },
                    deltas: batch.share(deltas.values().unwrap_or_default(), picture),
                });
                levels.collect()
            };
            self.config.detections_of(of_picture, &cells, batch)
        })
    }
}

/// The first half of a plan's outputs are logits.
fn raw_outputs(mut logits: Vec<Tensor>) -> RawOutputs {
    let deltas = logits.split_off(logits.len() / 2);
    RawOutputs { logits, deltas }
}
