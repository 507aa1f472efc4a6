//! RMSprop as TensorFlow has it.

use super::{At, Update};
use candle::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// RMSprop with epsilon under the root, a mean square that begins at 1, and the learning rate
/// inside the momentum: what GhostNets were trained with.
///
/// # Source
/// timm 1.0.31, `timm/optim/rmsprop_tf.py`, `RMSpropTF`, not centred, weight decay in the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmsPropTf {
    /// What is kept of the mean square.
    pub alpha: f64,
    /// Added to the mean square.
    pub eps: f64,
    /// What is kept of the last move.
    pub momentum: f64,
}

impl Default for RmsPropTf {
    /// The paper's: `--opt rmsproptf --opt-eps .001`.
    fn default() -> Self {
        Self { alpha: 0.9, eps: 1e-3, momentum: 0.9 }
    }
}

impl Update for RmsPropTf {
    fn slots(&self) -> Vec<(&'static str, f32)> {
        vec![("mean_square", 1.0), ("momentum", 0.0)]
    }

    fn flat(&self, at: At) -> impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync {
        let (scale, decay, rate) = (at.scale as f32, at.decay as f32, at.rate as f32);
        let (new, eps, momentum) =
            ((1.0 - self.alpha) as f32, self.eps as f32, self.momentum as f32);
        move |w, g, slots| {
            let [square, moves] = slots else { return };
            let states = square.iter_mut().zip(moves.iter_mut());
            for ((w, g), (s, m)) in w.iter_mut().zip(g).zip(states) {
                let g = g * scale + decay * *w;
                *s += new * (g * g - *s);
                *m = momentum * *m + rate * (g / (*s + eps).sqrt());
                *w -= *m;
            }
        }
    }

    fn tensors(&self, at: At, w: &Tensor, g: &Tensor, slots: &mut [Tensor]) -> Result<Tensor> {
        let [square, moves] = slots else { candle::bail!("RMSpropTF keeps two tensors") };
        let g = (g + (w * at.decay)?)?;
        *square = ((&*square * self.alpha)? + (g.sqr()? * (1.0 - self.alpha))?)?;
        let step = (g / (&*square + self.eps)?.sqrt()?)?;
        *moves = ((&*moves * self.momentum)? + (step * at.rate)?)?;
        w - &*moves
    }
}
