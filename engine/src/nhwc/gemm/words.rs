//! Pixels as words: rounded to bytes or to bfloat16, as products of narrow numbers take them.
//!
//! A word has 32 bits, as an `f32` has: kernels that only pass pixels on to a matrix product step
//! over words as they step over numbers.

use crate::isa::{AnyIsa, Dot, DotOp, Isa, MAX_LANES, TILE};
use crate::plan::Quantization;

/// How a matrix takes its pixels, if not as f32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) factors: Factors,
    /// Factors in a word.
    pub(crate) group: usize,
    /// Whether tile registers multiply them: pixels then end with zeros where a tile ends.
    pub(crate) tiles: bool,
}

/// What is in a word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factors {
    Bytes(Quantization),
    Halves,
}

impl Words {
    /// Words of a pixel of `k` channels.
    pub(crate) fn per_pixel(self, k: usize) -> usize {
        k.div_ceil(self.group).next_multiple_of(if self.tiles { TILE } else { 1 })
    }

    /// Elements of scratch for so many pixels: the last vector may be written beyond its pixel, and
    /// a tile read beyond the last one.
    pub(crate) fn scratch_len(self, k: usize, pixels: usize) -> usize {
        let read = if self.tiles { pixels + TILE - 1 } else { pixels };
        read * self.per_pixel(k) + MAX_LANES
    }

    /// Runs `op` on this kind of products.
    pub(crate) fn run(self, isa: AnyIsa, op: impl DotOp) {
        match self.factors {
            Factors::Bytes(_) => isa.run_bytes(op),
            Factors::Halves => isa.run_halves(op),
        }
    }

    /// The numbers of bytes; 1 and 0 for what is no byte.
    fn quantization(self) -> Quantization {
        match self.factors {
            Factors::Bytes(quantization) => quantization,
            Factors::Halves => Quantization { scale: 1.0, inverse: 1.0, zero: 0.0 },
        }
    }
}

/// Makes words of some pixels, one behind the other.
pub(crate) struct Narrow {
    pub(crate) x: *const f32,
    /// A factor for each channel, or null.
    pub(crate) scale: *const f32,
    pub(crate) k: usize,
    pub(crate) count: usize,
    pub(crate) words: Words,
    /// Room for [`Words::scratch_len`].
    pub(crate) to: *mut f32,
}

impl DotOp for Narrow {
    #[inline(always)]
    fn eval<I: Isa, D: Dot<I>>(self, isa: I, dot: D) {
        // Without gaps and factors, pixels are one long row.
        let words = self.words.per_pixel(self.k);
        let flat = self.scale.is_null() && self.k == words * D::GROUP;
        let (k, words, count) =
            if flat { (self.k * self.count, 0, 1) } else { (self.k, words, self.count) };
        let Quantization { inverse, zero, .. } = self.words.quantization();
        let (inverse, zero) = (isa.splat(inverse), isa.splat(zero));
        let factor_bytes = size_of::<f32>() / D::GROUP;
        for pixel in 0..count {
            let x = self.x.wrapping_add(pixel * k);
            let to = self.to.wrapping_add(pixel * words).cast::<u8>();
            for first in (0..k.max(words * D::GROUP)).step_by(I::LANES) {
                let lanes = I::LANES.min(k.saturating_sub(first));
                // SAFETY: the caller vouches for pixels, factors and scratch. What is written
                // beyond this pixel is overwritten by the next, or belongs to the scratch.
                unsafe {
                    let mut value = crate::nhwc::load_lanes(isa, x.add(first), lanes);
                    if !self.scale.is_null() {
                        let scale = crate::nhwc::load_lanes(isa, self.scale.add(first), lanes);
                        value = isa.mul(value, scale);
                    }
                    if D::WHOLE {
                        // Rounded before the zero is added, which is a whole number: a factor of
                        // half a unit goes to the even one on either side of 0.
                        value = isa.add(isa.round(isa.mul(value, inverse)), zero);
                        value = isa.min(isa.max(value, isa.splat(0.0)), isa.splat(255.0));
                    }
                    dot.store(isa, to.add(first * factor_bytes), value);
                }
            }
        }
    }
}
