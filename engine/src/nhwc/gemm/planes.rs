//! A pointwise convolution that writes planes, the order that callers want, with no map between.
//!
//! `C[n, m] = act(Σ_k W[n, k] · A[m, k] + bias[n])`: the roles of [`Gemm`](super::Gemm) are
//! exchanged. Pixels are the columns, transposed into a panel of vectors that stays in the nearest
//! cache, and weights, as they are packed already, are the rows, read by broadcasts. Each sum has
//! the same factors in the same order, so that the bits are the same.

use std::ops::Range;

use super::super::transpose::ToPlanes;
use super::super::{next_run, store_lanes};
use super::{Activation, Load, Panel, Weights, panel_vectors, tile_height};
use crate::isa::{Isa, Op};

/// A pointwise convolution of some pixels to planes.
pub(crate) struct PlanesGemm<'a> {
    /// `[pixels, k]`.
    pub(crate) x: *const f32,
    /// `[n, pixels]`.
    pub(crate) y: *mut f32,
    /// Of the whole map.
    pub(crate) pixels: usize,
    /// The vectors of pixels that are computed.
    pub(crate) vectors: Range<usize>,
    /// Weights in f32, with the first row of each panel.
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) activation: Activation,
    /// Room for [`planes_scratch_len`].
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for `k` factors.
pub(crate) fn planes_scratch_len(k: usize, lanes: usize, registers: usize) -> usize {
    k * panel_vectors(registers) * lanes
}

impl Op for PlanesGemm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let mut vector = self.vectors.start;
        while vector < self.vectors.end {
            match next_run(self.vectors.end - vector, panel_vectors(I::REGISTERS)) {
                1 => self.columns::<I, 1>(isa, &mut vector),
                2 => self.columns::<I, 2>(isa, &mut vector),
                _ => self.columns::<I, 3>(isa, &mut vector),
            }
        }
    }
}

impl PlanesGemm<'_> {
    /// The next `NZ` vectors of pixels.
    #[inline(always)]
    fn columns<I: Isa, const NZ: usize>(&self, isa: I, vector: &mut usize) {
        let first = *vector * I::LANES;
        *vector += NZ;
        let Some((_, Panel { k, .. })) = self.panels.first() else { return };
        let count = (NZ * I::LANES).min(self.pixels - first);
        // SAFETY: the plan has checked that the map has these pixels, and the scratch room.
        let x = unsafe { self.x.add(first * k) };
        let stride = NZ * I::LANES;
        ToPlanes { x, y: self.scratch, ld: *k, pixels: count, stride, channels: 0..*k }.eval(isa);
        let tail = count - (NZ - 1) * I::LANES;
        for &(row, panel) in self.panels {
            self.rows::<I, NZ>(isa, (first, tail), row, panel);
        }
    }

    /// The rows of a panel of weights.
    #[inline(always)]
    fn rows<I: Isa, const NZ: usize>(
        &self,
        isa: I,
        pixels: (usize, usize),
        row: usize,
        panel: Panel,
    ) {
        let height = tile_height(I::REGISTERS, NZ);
        let rows = (panel.vectors - 1) * I::LANES + panel.tail;
        let mut first = 0;
        while first < rows {
            let count = next_run(rows - first, height);
            macro_rules! tile {
                ($($mr:literal)*) => {
                    match count {
                        $($mr if $mr <= height => {
                            self.tile::<I, $mr, NZ>(isa, pixels, row, panel, first);
                        })*
                        _ => {}
                    }
                };
            }
            tile!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            first += count;
        }
    }

    /// Rows `first .. first + MR` of a panel whose first row is `row`.
    #[inline(always)]
    fn tile<I: Isa, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        (pixel, tail): (usize, usize),
        row: usize,
        panel: Panel,
        first: usize,
    ) {
        let Weights::F32(weights) = panel.weights else { return };
        let width = panel.vectors * I::LANES;
        // SAFETY: the plan has checked that panels, scratch and planes have these sizes.
        unsafe {
            // What is written is asked for now, and there when the sums are.
            let y = self.y.add((row + first) * self.pixels + pixel);
            for m in 0..MR {
                for z in 0..NZ {
                    isa.prefetch(y.wrapping_add(m * self.pixels + z * I::LANES));
                }
            }
            let mut sums = [[isa.splat(0.0); NZ]; MR];
            for (m, sums) in sums.iter_mut().enumerate() {
                *sums = [isa.splat(*panel.bias.add(first + m)); NZ];
            }
            let weights = weights.add(first);
            for kk in 0..panel.k {
                let mut columns = [isa.splat(0.0); NZ];
                for (z, column) in columns.iter_mut().enumerate() {
                    *column = self.scratch.cast_const().load(isa, (kk * NZ + z) * I::LANES);
                }
                let weights = weights.add(kk * width);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let weight = isa.splat(*weights.add(m));
                    for z in 0..NZ {
                        sums[z] = isa.fma(weight, columns[z], sums[z]);
                    }
                }
            }
            for (m, sums) in sums.iter().enumerate() {
                for (z, sum) in sums.iter().enumerate() {
                    let lanes = if z + 1 == NZ { tail } else { I::LANES };
                    let to = y.add(m * self.pixels + z * I::LANES);
                    store_lanes(isa, to, self.activation.apply(isa, *sum), lanes);
                }
            }
        }
    }
}
