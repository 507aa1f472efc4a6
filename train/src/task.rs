//! What is learned: a data source, an objective, and how it is scored.

use crate::Error;
use crate::network::Named;
use crate::seed::Seed;
use candle::{Result, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Which batch of a run: all randomness in it comes from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The run's.
    pub seed: Seed,
    /// From 0.
    pub epoch: u64,
    /// Batches before it in the epoch.
    pub batch: u64,
}

/// What the loop learns. It owns neither the network nor the state, so that one loop with its
/// checkpoints and schedules serves every task.
pub trait Task: Sync {
    /// Pictures and what is true of them, made ready on threads ahead of the step.
    type Batch: Send;

    /// How many training examples there are.
    fn examples(&self) -> usize;

    /// What a resumed run must have in common with this one: the data, the classes, how batches
    /// are made. An object.
    fn identity(&self) -> Value;

    /// Reads, augments and stacks examples, with random numbers of `place` only. Called on a
    /// thread of its own, within a rayon pool that may be used.
    ///
    /// # Errors
    /// Files that can't be read.
    fn batch(&self, examples: &[usize], place: Place) -> std::result::Result<Self::Batch, Error>;

    /// The pictures `[B, 3, H, W]` of a batch that is about to go through the network, on its
    /// device.
    ///
    /// # Errors
    /// What candle says.
    fn images(&self, batch: &Self::Batch) -> Result<Tensor>;

    /// The loss, a scalar, of what the network made of the batch: a mean over its examples.
    ///
    /// # Errors
    /// What candle says.
    fn loss(&self, batch: &Self::Batch, outputs: &[Tensor]) -> Result<Tensor>;

    /// How much a part of a batch counts, where several ranks have one each: what its loss was
    /// divided by.
    fn weight(&self, batch: &Self::Batch) -> f64;

    /// Scores weights and statistics on the validation data; `progress` hears of done and all
    /// pictures.
    ///
    /// # Errors
    /// Files that can't be read, weights that give no numbers.
    fn evaluate(
        &self,
        state: &Named<Tensor>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> std::result::Result<Scores, Error>;

    /// Writes a model that the programs load: `model.safetensors` and `config.json` in `folder`,
    /// which exists.
    ///
    /// # Errors
    /// Files that can't be written.
    fn export(&self, state: &Named<Tensor>, folder: &Path) -> std::result::Result<(), Error>;
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The name of the score that decides which model is best; more is better.
    pub main: String,
    /// All scores by name.
    pub all: BTreeMap<String, f64>,
}

impl Scores {
    /// The score that decides; NaN where there is none.
    pub fn value(&self) -> f64 {
        self.all.get(&self.main).copied().unwrap_or(f64::NAN)
    }
}
