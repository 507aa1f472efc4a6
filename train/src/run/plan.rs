//! What a run is told before it starts.

use crate::ema::Decay;
use crate::optim::{Groups, Rule};
use crate::schedule::Schedule;
use ghostnetv2::training::Ranks;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// What decides about the numbers of a run, besides its task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of all random numbers.
    pub seed: u64,
    /// How often every example is seen.
    pub epochs: u64,
    /// Examples that go through the network together.
    pub batch: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulate: usize,
    /// The optimiser.
    pub rule: Rule,
    /// Weight decay and learning rates by name.
    pub groups: Groups,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// The longest that the gradients of a step may be together.
    pub clip: Option<f64>,
    /// The moving average that is scored and kept.
    pub ema: Option<Decay>,
}

impl Plan {
    /// Steps of one epoch over so many examples. What is left over at its end is left out; where
    /// there are fewer than a step takes, it takes all.
    pub fn steps_per_epoch(examples: usize, batch: usize, accumulate: usize) -> u64 {
        (examples / (batch * accumulate).max(1)).max(1) as u64
    }
}

/// How a run is done, which changes none of its numbers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where checkpoints, metrics and the best model go; made if it is not there.
    pub out: PathBuf,
    /// Go on from the last checkpoint, if there is one.
    pub resume: bool,
    /// Steps between checkpoints, besides those after every epoch.
    pub save_steps: Option<u64>,
    /// Steps between lines of `metrics.jsonl`.
    pub log_steps: u64,
    /// Threads that make batches ready.
    pub workers: usize,
    /// Batches that may be ready ahead of their step.
    pub ahead: usize,
    /// Who else trains the same network: of each batch, every rank takes its part, and the first
    /// one writes the files.
    pub ranks: Option<Arc<dyn Ranks>>,
}
