//! The inner loops: all taps of a kernel for a block of output vectors in registers.

use super::tile::Tiling;
use crate::isa::Isa;

/// A kernel's size and stride, known to the compiler or not.
///
/// All implementations add the taps of one output in the same order whatever the size of the
/// block: an output does not depend on the block it falls into.
pub(super) trait Taps: Copy {
    /// Whether eight sums, a column of weights and the rows that they share fit into sixteen
    /// registers; else blocks have four rows.
    const LARGE_BLOCKS: bool;

    /// Adds to a vector of outputs in each of `R` rows.
    ///
    /// `at` is where the tile has tap (0, 0) of the first row.
    ///
    /// # Safety
    /// `weights` must be readable for the kernel's size, and a vector at each tap of each of the
    /// `R` output rows.
    unsafe fn accumulate<I: Isa, const R: usize>(
        self,
        isa: I,
        tiling: &Tiling,
        weights: *const f32,
        at: *const f32,
        sums: [I::F32; R],
    ) -> [I::F32; R];
}

/// A kernel of `KH` by `KW` with stride `S` on both axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed<const KH: usize, const KW: usize, const S: usize>;

impl<const KH: usize, const KW: usize, const S: usize> Taps for Fixed<KH, KW, S> {
    const LARGE_BLOCKS: bool = KH * S <= 6;

    #[inline(always)]
    unsafe fn accumulate<I: Isa, const R: usize>(
        self,
        isa: I,
        tiling: &Tiling,
        weights: *const f32,
        at: *const f32,
        mut sums: [I::F32; R],
    ) -> [I::F32; R] {
        for kx in 0..KW {
            let mut column = [isa.splat(0.0); KH];
            for ky in 0..KH {
                // SAFETY: the kernel has KH·KW weights.
                column[ky] = isa.splat(unsafe { *weights.add(ky * KW + kx) });
            }
            let tap = kx % S * tiling.part_pitch + kx / S;
            // A row of the tile is loaded once for all the output rows that it is part of: row
            // q·S + s meets weight j·S + s in output row q − j.
            for q in 0..R + (KH - 1) / S {
                for s in 0..S {
                    if q * S + s >= (R - 1) * S + KH {
                        break;
                    }
                    // SAFETY: tap `kx` of a row that an output row needs.
                    let x = unsafe { isa.load(at.add((q * S + s) * tiling.row_pitch + tap)) };
                    for j in 0..=(KH - 1) / S {
                        if j <= q && q - j < R && j * S + s < KH {
                            sums[q - j] = isa.fma(column[j * S + s], x, sums[q - j]);
                        }
                    }
                }
            }
        }
        sums
    }
}

/// Any kernel and stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct General {
    pub(super) kernel: (usize, usize),
}

impl Taps for General {
    const LARGE_BLOCKS: bool = true;

    #[inline(always)]
    unsafe fn accumulate<I: Isa, const R: usize>(
        self,
        isa: I,
        tiling: &Tiling,
        weights: *const f32,
        at: *const f32,
        mut sums: [I::F32; R],
    ) -> [I::F32; R] {
        for ky in 0..self.kernel.0 {
            for kx in 0..self.kernel.1 {
                let tap = tiling.tap(ky, kx);
                // SAFETY: the kernel has as many weights as its size says.
                let weight = isa.splat(unsafe { *weights.add(ky * self.kernel.1 + kx) });
                for r in 0..R {
                    let row = r * tiling.row_step * tiling.row_pitch;
                    // SAFETY: a tap of one of the output rows.
                    let x = unsafe { isa.load(at.add(row + tap)) };
                    sums[r] = isa.fma(weight, x, sums[r]);
                }
            }
        }
        sums
    }
}
