//! Packed panels of weights, in their precision.

use std::ptr::null;

use crate::isa::{Columns, Isa};

/// A panel of packed weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    pub(crate) weights: Weights,
    pub(crate) bias: *const f32,
    pub(crate) k: usize,
    /// Vectors of columns: 1 to [`panel_vectors`].
    pub(crate) vectors: usize,
    /// Columns of the last vector that are stored.
    pub(crate) tail: usize,
    /// Whether it is laid out for tile registers.
    pub(crate) tiles: bool,
}

/// Packed weights in their precision; sums are always f32.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights {
    F32(*const f32),
    /// The upper halves of f32: half as much to read, widened on the way to the registers.
    Bf16(*const u16),
    /// The same for products of bfloat16: words, multiplied with pixels in words.
    Halves(*const u8),
    /// Words of bytes, what a unit of each column's sums is worth, and where its sums begin.
    Bytes {
        weights: *const u8,
        scale: *const f32,
        start: *const i32,
    },
}

/// Weights of a precision that is known when the kernel is compiled.
pub(crate) trait Load: Copy {
    /// No weights.
    const NULL: Self;

    /// Weights that are known to be of this precision.
    fn of(weights: Weights) -> Self;

    /// # Safety
    /// A vector from element `index` must be readable.
    unsafe fn load<I: Isa>(self, isa: I, index: usize) -> I::F32;

    /// Asks for the cache line of element `index`.
    fn prefetch<I: Isa>(self, isa: I, index: usize);
}

impl Load for *const f32 {
    const NULL: Self = std::ptr::null();

    #[inline(always)]
    fn of(weights: Weights) -> Self {
        let Weights::F32(weights) = weights else { return Self::NULL };
        weights
    }

    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, index: usize) -> I::F32 {
        // SAFETY: the caller vouches for it.
        unsafe { isa.load(self.add(index)) }
    }

    #[inline(always)]
    fn prefetch<I: Isa>(self, isa: I, index: usize) {
        isa.prefetch(self.wrapping_add(index));
    }
}

impl Load for *const u16 {
    const NULL: Self = std::ptr::null();

    #[inline(always)]
    fn of(weights: Weights) -> Self {
        let Weights::Bf16(weights) = weights else { return Self::NULL };
        weights
    }

    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, index: usize) -> I::F32 {
        // SAFETY: the caller vouches for it.
        unsafe { isa.load_bf16(self.add(index)) }
    }

    #[inline(always)]
    fn prefetch<I: Isa>(self, isa: I, index: usize) {
        isa.prefetch(self.wrapping_add(index).cast());
    }
}

impl Panel {
    /// Weights and columns for products of narrow numbers.
    pub(crate) fn narrow(&self) -> (*const u8, Columns) {
        let (weights, scale, start) = match self.weights {
            Weights::F32(weights) => (weights.cast(), null(), null()),
            Weights::Bf16(weights) => (weights.cast(), null(), null()),
            Weights::Halves(weights) => (weights, null(), null()),
            Weights::Bytes { weights, scale, start } => (weights, scale, start),
        };
        (weights, Columns { bias: self.bias, scale, start })
    }

    /// The panel for sums from factor `first` to `first + k`, of one whose weights are no words.
    pub(crate) fn part(self, first: usize, k: usize, lanes: usize) -> Self {
        let skipped = first * self.vectors * lanes;
        let weights = match self.weights {
            Weights::F32(weights) => Weights::F32(weights.wrapping_add(skipped)),
            Weights::Bf16(weights) => Weights::Bf16(weights.wrapping_add(skipped)),
            words => words,
        };
        Self { weights, k, ..self }
    }
}
