//! A moving average of a network's weights and statistics, which scores better than they do.

use crate::flat;
use crate::network::Named;
use candle::{Result, Tensor, Var};
use serde::{Deserialize, Serialize};

/// How fast an average forgets.
///
/// # Source
/// timm 1.0.31, `timm/utils/model_ema.py`, `ModelEmaV3`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decay {
    /// What is kept of the average at each step but the first.
    pub decay: f64,
    /// Begin with less: `1 - (1 + step)^(-2/3)`, as long as that is below `decay`.
    pub warmup: bool,
}

impl Decay {
    /// What is kept at the update after `step`, counted from 0: nothing after the first, with or
    /// without a warm-up, so that what a network began with is in no average.
    pub fn at(self, step: u64) -> f64 {
        if step == 0 {
            return 0.0;
        }
        if !self.warmup {
            return self.decay;
        }
        let warm = 1.0 - libm::pow(1.0 + step as f64, -2.0 / 3.0);
        warm.clamp(0.0, self.decay)
    }
}

/// The average of every weight, and of batch-norms' means and variances.
#[derive(Debug)]
pub struct Ema {
    decay: Decay,
    average: Named<Tensor>,
}

impl Ema {
    /// Begins with what the variables are.
    ///
    /// # Errors
    /// No memory on the device.
    pub fn new<'a>(
        decay: Decay,
        variables: impl IntoIterator<Item = (&'a String, &'a Var)>,
    ) -> Result<Self> {
        let copy =
            |(name, var): (&String, &Var)| Ok((name.clone(), var.as_detached_tensor().copy()?));
        Ok(Self { decay, average: variables.into_iter().map(copy).collect::<Result<_>>()? })
    }

    /// Takes in the variables after `step`.
    ///
    /// # Errors
    /// What candle says.
    pub fn update<'a>(
        &mut self,
        step: u64,
        variables: impl IntoIterator<Item = (&'a String, &'a Var)>,
    ) -> Result<()> {
        let share = 1.0 - self.decay.at(step);
        for (name, var) in variables {
            if let Some(average) = self.average.get_mut(name) {
                flat::lerp(average, &var.as_detached_tensor(), share)?;
            }
        }
        Ok(())
    }

    /// The averages by name.
    pub fn average(&self) -> &Named<Tensor> {
        &self.average
    }

    /// Goes on with averages that were saved.
    pub fn restore(&mut self, average: Named<Tensor>) {
        self.average = average;
    }
}
