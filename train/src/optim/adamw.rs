//! Adam with decoupled weight decay.

use super::{At, Update};
use candle::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// Adam, with weights that decay apart from it (Loshchilov and Hutter, arXiv 1711.05101).
///
/// # Source
/// `torch.optim.AdamW`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    /// What is kept of the mean gradient.
    pub beta1: f64,
    /// What is kept of the mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
}

impl Default for AdamW {
    /// PyTorch's.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8 }
    }
}

impl AdamW {
    /// The share of the weights that stays, the length of the move, and what the root of the mean
    /// square is divided by.
    fn factors(&self, at: At) -> (f64, f64, f64) {
        let left = |beta: f64| 1.0 - libm::pow(beta, at.count as f64);
        (1.0 - at.rate * at.decay, at.rate / left(self.beta1), left(self.beta2).sqrt())
    }
}

impl Update for AdamW {
    fn slots(&self) -> Vec<(&'static str, f32)> {
        vec![("mean", 0.0), ("mean_square", 0.0)]
    }

    fn flat(&self, at: At) -> impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync {
        let (kept, rate, root) = self.factors(at);
        let (kept, rate, root) = (kept as f32, rate as f32, root as f32);
        let (new1, beta2, new2) =
            ((1.0 - self.beta1) as f32, self.beta2 as f32, (1.0 - self.beta2) as f32);
        let (eps, scale) = (self.eps as f32, at.scale as f32);
        move |w, g, slots| {
            let [mean, square] = slots else { return };
            let states = mean.iter_mut().zip(square.iter_mut());
            for ((w, g), (m, v)) in w.iter_mut().zip(g).zip(states) {
                let g = g * scale;
                *m += new1 * (g - *m);
                *v = beta2 * *v + new2 * (g * g);
                *w = *w * kept - rate * (*m / (v.sqrt() / root + eps));
            }
        }
    }

    fn tensors(&self, at: At, w: &Tensor, g: &Tensor, slots: &mut [Tensor]) -> Result<Tensor> {
        let [mean, square] = slots else { candle::bail!("AdamW keeps two tensors") };
        let (kept, rate, root) = self.factors(at);
        *mean = ((&*mean * self.beta1)? + (g * (1.0 - self.beta1))?)?;
        *square = ((&*square * self.beta2)? + (g.sqr()? * (1.0 - self.beta2))?)?;
        let step = (&*mean / ((square.sqrt()? / root)? + self.eps)?)?;
        (w * kept)? - (step * rate)?
    }
}
