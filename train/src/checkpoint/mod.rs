//! Checkpoints of a run: one file with everything that it needs to go on.

mod format;
mod identity;
mod whole;

pub use identity::differences;
pub use whole::write_whole;

use crate::Error;
use crate::network::Named;
use candle::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const LAST: &str = "last.safetensors";
const PREVIOUS: &str = "previous.safetensors";

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs that are done.
    pub epoch: u64,
    /// Steps that are done in the present one: where its sampler stands.
    pub step: u64,
    /// Steps that are done in all: where the schedule stands.
    pub total: u64,
}

/// What a checkpoint holds besides its tensors. Random numbers depend on the seed, which is part
/// of the identity, and on the position alone, so these two are their whole state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// How far the run is.
    pub position: Position,
    /// Updates that the optimiser has made.
    pub updates: u64,
    /// The best score so far.
    pub best: Option<f64>,
    /// Configuration, data set and classes.
    pub identity: Value,
}

/// Everything that a run needs to go on.
#[derive(Clone, Debug)]
pub struct State {
    /// How far it is.
    pub progress: Progress,
    /// Parameters and batch-norms' statistics.
    pub weights: Named<Tensor>,
    /// The optimiser's, as [`crate::Optimizer::state`] names it.
    pub optimizer: Named<Tensor>,
    /// The moving average, if there is one.
    pub ema: Named<Tensor>,
}

/// The checkpoints in a folder: the last one, and the one before it.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// Those in a folder, which exists.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the last one is, or would be.
    pub fn last(&self) -> PathBuf {
        self.folder.join(LAST)
    }

    /// Whether there is one.
    pub fn exist(&self) -> bool {
        [LAST, PREVIOUS].iter().any(|name| self.folder.join(name).exists())
    }

    /// Writes one: beside the last, to the disk, and only then in its place. Whenever the program
    /// or the machine stops, one whole checkpoint is there.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, state: &State) -> Result<(), Error> {
        let bytes = format::to_bytes(state)?;
        let (last, previous) = (self.last(), self.folder.join(PREVIOUS));
        let beside = whole::write_beside(&last, &bytes)?;
        if last.exists() {
            fs::rename(&last, &previous).map_err(Error::write(&previous))?;
        }
        whole::put_in_place(&beside, &last)
    }

    /// Writes a state elsewhere, for a look at what went wrong.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn dump(&self, state: &State, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        write_whole(&path, &format::to_bytes(state)?)?;
        Ok(path)
    }

    /// Reads the last checkpoint, or the one before it where that is damaged, for which `warn` gets
    /// a sentence. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where both are damaged, [`Error::OtherRun`] where it is of a run with
    /// another identity.
    pub fn load(
        &self,
        identity: &Value,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Option<State>, Error> {
        let mut damaged = None;
        for name in [LAST, PREVIOUS] {
            let path = self.folder.join(name);
            if !path.exists() {
                continue;
            }
            match format::read(&path) {
                Ok(state) => {
                    let differences = differences(&state.progress.identity, identity);
                    if !differences.is_empty() {
                        return Err(Error::OtherRun { path, differences });
                    }
                    return Ok(Some(state));
                }
                Err(error) => {
                    warn(&format!("{error}; trying the one before"));
                    // Out of the way: the next one must not push out the good one before it.
                    let aside = self.folder.join(format!("damaged-{name}"));
                    fs::rename(&path, &aside).map_err(Error::write(&aside))?;
                    damaged = Some(error);
                }
            }
        }
        damaged.map_or(Ok(None), Err)
    }
}
