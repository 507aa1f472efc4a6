//! Learning rates over a run.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate goes after the warm-up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    /// Stays.
    Constant,
    /// Half a cosine down to `end` of the base rate: torch's `CosineAnnealingLR`.
    Cosine {
        /// Share of the base rate at the end.
        end: f64,
    },
    /// Times `gamma` at each milestone: torch's `MultiStepLR`.
    Steps {
        /// Steps of the run, sorted.
        milestones: Vec<u64>,
        /// Factor.
        gamma: f64,
    },
    /// Times `gamma` after every so many steps: the paper's 0.973 every 2.4 epochs.
    Every {
        /// Number of steps.
        steps: u64,
        /// Factor.
        gamma: f64,
    },
    /// `(1 - t)^power` down to `end` of the base rate: torch's `PolynomialLR` where `end` is 0,
    /// mmengine's `PolyLR` where it is not.
    Poly {
        /// Exponent.
        power: f64,
        /// Share of the base rate at the end.
        end: f64,
    },
    /// Up and down along cosines, with the base rate at the top: torch's `OneCycleLR`. It needs no
    /// other warm-up.
    OneCycle {
        /// Share of the run that goes up.
        rise: f64,
        /// The base rate over the first one.
        start_divisor: f64,
        /// The first rate over the last one.
        end_divisor: f64,
    },
}

/// A linear warm-up, and what comes after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The base rate.
    pub base: f64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Share of the base rate at the first step of the warm-up.
    pub warmup_start: f64,
    /// What comes after it.
    pub shape: Shape,
}

impl Schedule {
    /// The rate of a step, counted from 0. What comes after a warm-up begins at its start, as where
    /// torchvision chains `LinearLR` and another with `SequentialLR`; milestones count from the
    /// start of the run.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            let t = step as f64 / self.warmup as f64;
            return self.base * (self.warmup_start + (1.0 - self.warmup_start) * t);
        }
        let (after, left) = (step - self.warmup, self.steps.saturating_sub(self.warmup).max(1));
        let t = (after as f64 / left as f64).min(1.0);
        match &self.shape {
            Shape::Constant => self.base,
            Shape::Cosine { end } => self.base * (end + (1.0 - end) * falling_cosine(t)),
            Shape::Steps { milestones, gamma } => {
                let passed = milestones.iter().filter(|&&milestone| milestone <= step).count();
                self.base * power(*gamma, passed as u64)
            }
            Shape::Every { steps, gamma } => self.base * power(*gamma, step / (*steps).max(1)),
            Shape::Poly { power, end } => {
                self.base * (end + (1.0 - end) * libm::pow(1.0 - t, *power))
            }
            Shape::OneCycle { rise, start_divisor, end_divisor } => {
                let (first, last) = (1.0 / start_divisor, 1.0 / (start_divisor * end_divisor));
                // torch's phases end on steps `rise * n - 1` and `n - 1`.
                let top = rise * left as f64 - 1.0;
                let after = after as f64;
                let along = |from: f64, to: f64, t: f64| to + (from - to) * falling_cosine(t);
                self.base
                    * if after <= top {
                        along(first, 1.0, if top > 0.0 { after / top } else { 1.0 })
                    } else {
                        let down = (left as f64 - 1.0 - top).max(1.0);
                        along(1.0, last, ((after - top) / down).min(1.0))
                    }
            }
        }
    }
}

/// From 1 to 0; the cosine is `libm`'s, so that runs go on alike on other machines.
fn falling_cosine(t: f64) -> f64 {
    0.5 * (1.0 + libm::cos(PI * t))
}

fn power(base: f64, exponent: u64) -> f64 {
    libm::pow(base, exponent as f64)
}
