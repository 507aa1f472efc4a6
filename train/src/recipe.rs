//! How a training goes, in epochs: what people tune, before the size of a data set is known.

use crate::ema::Decay;
use crate::optim::{Groups, Rule};
use crate::run::Plan;
use crate::schedule::{Schedule, Shape};
use serde::{Deserialize, Serialize};

/// How the learning rate goes after the warm-up, in epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Course {
    /// Stays.
    Constant,
    /// Half a cosine down to this share of the base rate.
    Cosine {
        /// At the end.
        end: f64,
    },
    /// Times `gamma` at these epochs.
    Steps {
        /// Sorted.
        epochs: Vec<f64>,
        /// Factor.
        gamma: f64,
    },
    /// Times `gamma` after every so many epochs.
    Every {
        /// How many.
        epochs: f64,
        /// Factor.
        gamma: f64,
    },
    /// `(1 - t)^power` down to this share of the base rate.
    Poly {
        /// Exponent.
        power: f64,
        /// At the end.
        end: f64,
    },
    /// Up and down along cosines, with torch's `OneCycleLR` divisors.
    OneCycle {
        /// Share of the run that goes up.
        rise: f64,
    },
}

/// How a training goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// How often every example is seen.
    pub epochs: u64,
    /// Examples that go through the network together.
    pub batch: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulate: usize,
    /// The optimiser.
    pub rule: Rule,
    /// The base learning rate.
    pub rate: f64,
    /// Weight decay and learning rates by name.
    pub groups: Groups,
    /// Epochs of linear warm-up.
    pub warmup_epochs: f64,
    /// Share of the base rate at its start.
    pub warmup_start: f64,
    /// How the rate goes after it.
    pub course: Course,
    /// The longest that the gradients of a step may be together.
    pub clip: Option<f64>,
    /// The moving average.
    pub ema: Option<Decay>,
    /// Of all random numbers.
    pub seed: u64,
}

impl Recipe {
    /// The recipe for so many examples.
    pub fn plan(&self, examples: usize) -> Plan {
        let epoch = Plan::steps_per_epoch(examples, self.batch, self.accumulate);
        let steps = |epochs: f64| (epochs * epoch as f64).round() as u64;
        let shape = match &self.course {
            Course::Constant => Shape::Constant,
            &Course::Cosine { end } => Shape::Cosine { end },
            Course::Steps { epochs, gamma } => Shape::Steps {
                milestones: epochs.iter().map(|&epochs| steps(epochs)).collect(),
                gamma: *gamma,
            },
            &Course::Every { epochs, gamma } => Shape::Every { steps: steps(epochs).max(1), gamma },
            &Course::Poly { power, end } => Shape::Poly { power, end },
            &Course::OneCycle { rise } => {
                Shape::OneCycle { rise, start_divisor: 25.0, end_divisor: 1e4 }
            }
        };
        Plan {
            seed: self.seed,
            epochs: self.epochs,
            batch: self.batch,
            accumulate: self.accumulate,
            rule: self.rule,
            groups: self.groups.clone(),
            schedule: Schedule {
                base: self.rate,
                steps: self.epochs * epoch,
                warmup: steps(self.warmup_epochs),
                warmup_start: self.warmup_start,
                shape,
            },
            clip: self.clip,
            ema: self.ema,
        }
    }
}
