//! Stochastic gradient descent.

use super::{At, Update};
use candle::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// Stochastic gradient descent with momentum; weight decay is added to the gradient.
///
/// # Source
/// `torch.optim.SGD`, without dampening.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// What is kept of the last move.
    pub momentum: f64,
    /// Look ahead by one move.
    pub nesterov: bool,
}

impl Update for Sgd {
    fn slots(&self) -> Vec<(&'static str, f32)> {
        vec![("momentum", 0.0)]
    }

    fn flat(&self, at: At) -> impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync {
        let (scale, decay, rate) = (at.scale as f32, at.decay as f32, at.rate as f32);
        let (momentum, nesterov) = (self.momentum as f32, self.nesterov);
        move |w, g, slots| {
            let [velocity] = slots else { return };
            for ((w, g), v) in w.iter_mut().zip(g).zip(velocity.iter_mut()) {
                let g = g * scale + decay * *w;
                *v = momentum * *v + g;
                *w -= rate * if nesterov { g + momentum * *v } else { *v };
            }
        }
    }

    fn tensors(&self, at: At, w: &Tensor, g: &Tensor, slots: &mut [Tensor]) -> Result<Tensor> {
        let [velocity] = slots else { candle::bail!("SGD keeps one tensor") };
        let g = (g + (w * at.decay)?)?;
        *velocity = ((&*velocity * self.momentum)? + &g)?;
        let step = match self.nesterov {
            true => (g + (&*velocity * self.momentum)?)?,
            false => velocity.clone(),
        };
        w - (step * at.rate)?
    }
}
