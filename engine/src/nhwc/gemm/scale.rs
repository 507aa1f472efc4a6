//! Squeeze-and-excitation's scale in a product, `Σ_k W[n, k] · (scale[k] · A[m, k])`: multiplied into
//! the weights of a panel, or into the pixels, whichever are fewer.

use super::{Load, Panel, Weights};
use crate::isa::{Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};

/// Weights of a panel multiplied by a scale for each `k`.
pub(crate) struct ScalePanel {
    pub(crate) panel: Panel,
    /// `k` elements.
    pub(crate) scale: *const f32,
    /// Room for [`scaled_len`].
    pub(crate) to: *mut f32,
}

impl Op for ScalePanel {
    type Output = Panel;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> Panel {
        let columns = self.panel.vectors * I::LANES;
        for k in 0..self.panel.k {
            // SAFETY: the panel has these factors, and scale and scratch as many.
            unsafe {
                let scale = isa.splat(*self.scale.add(k));
                for z in 0..self.panel.vectors {
                    let at = k * columns + z * I::LANES;
                    let weight = match self.panel.weights {
                        Weights::F32(weights) => weights.load(isa, at),
                        Weights::Bf16(weights) => weights.load(isa, at),
                        // Of these the pixels are scaled.
                        Weights::Halves(_) | Weights::Bytes { .. } => return self.panel,
                    };
                    isa.store(self.to.add(at), isa.mul(weight, scale));
                }
            }
        }
        Panel { weights: Weights::F32(self.to), ..self.panel }
    }
}

/// Pixels multiplied by a scale for each of their `k` channels.
pub(crate) struct ScalePixels {
    /// `[count, k]`.
    pub(crate) x: *const f32,
    /// `k` elements.
    pub(crate) scale: *const f32,
    pub(crate) k: usize,
    pub(crate) count: usize,
    /// `[count, k]`: room for [`scaled_len`].
    pub(crate) to: *mut f32,
}

/// Elements of so many scaled columns of weights, or of so many scaled pixels.
pub(crate) fn scaled_len(k: usize, count: usize) -> usize {
    (k * count).next_multiple_of(16)
}

impl Op for ScalePixels {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { x, scale, k, count, to } = self;
        for pixel in 0..count {
            for channel in (0..k).step_by(I::LANES) {
                let (lanes, at) = (I::LANES.min(k - channel), pixel * k + channel);
                // SAFETY: the plan has checked that there are these pixels and channels.
                unsafe {
                    let scale = load_lanes(isa, scale.add(channel), lanes);
                    let scaled = isa.mul(load_lanes(isa, x.add(at), lanes), scale);
                    store_lanes(isa, to.add(at), scaled, lanes);
                }
            }
        }
    }
}
