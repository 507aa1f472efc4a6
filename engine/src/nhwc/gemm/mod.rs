//! Pointwise convolution: a register-tiled matrix product on packed weights.
//!
//! `C[m, n] = act(Σ_k A[m, k] · W[k, n] + bias[n] + add[m, n])`, where a row `m` is a pixel. `A` is
//! read in place by broadcasts; `W` is packed in panels of one to three vectors of columns (see
//! [`crate::pack`]), each `[k][columns]`. A tile of `MR` pixels by `NZ` vectors stays in registers
//! for the whole sum, and every sum runs over `k` in order: results depend neither on the tiling
//! nor on how work is split over threads.

mod above;
mod addressing;
mod end;
mod narrow;
mod planes;
mod scale;
mod weights;
mod words;

use super::activation::Activation;
use super::next_run;
use crate::isa::{Isa, Op};

pub(crate) use above::{AboveGemm, above_scratch_len};
use addressing::Addressing;
pub(crate) use addressing::{Dense, Gather};
use end::Cursor;
pub(crate) use narrow::Stream;
pub(crate) use planes::{PlanesGemm, planes_scratch_len};
pub(crate) use scale::{ScalePanel, ScalePixels, scaled_len};
pub(crate) use weights::{Load, Panel, Weights};
pub(crate) use words::{Factors, Narrow, Words};

/// Elements of a cache line.
const LINE: usize = 16;

/// Pixels that are read, with their channels innermost.
#[derive(Clone, Copy)]
pub(crate) struct Pixels {
    pub(crate) data: *const f32,
    /// Pixel stride.
    pub(crate) ld: usize,
    pub(crate) count: usize,
}

/// Where results go: rows of `width` pixels, with `gap` elements between them beyond the stride.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) data: *mut f32,
    /// Pixel stride.
    pub(crate) ld: usize,
    pub(crate) width: usize,
    pub(crate) gap: usize,
    pub(crate) activation: Activation,
    /// Added before the activation: null, or pixels with stride `add_ld`.
    pub(crate) add: *const f32,
    pub(crate) add_ld: usize,
}

impl Target {
    /// Pixels one behind the other, in rows of `width`.
    pub(crate) fn dense(data: *mut f32, ld: usize, width: usize, activation: Activation) -> Self {
        Self { data, ld, width, gap: 0, activation, add: std::ptr::null(), add_ld: 0 }
    }
}

/// One panel of columns for some pixels.
pub(crate) struct Gemm<A> {
    pub(crate) a: Pixels,
    pub(crate) panel: Panel,
    pub(crate) c: Target,
    pub(crate) addressing: A,
}

impl<A: Addressing> Op for Gemm<A> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.panel.weights {
            Weights::F32(weights) => self.panel_of(isa, weights),
            Weights::Bf16(weights) if A::NARROW => self.panel_of(isa, weights),
            Weights::Halves(_) if A::NARROW => isa.run_halves(self.of_words()),
            Weights::Bytes { .. } if A::NARROW => isa.run_bytes(self.of_words()),
            Weights::Bf16(_) | Weights::Halves(_) | Weights::Bytes { .. } => {}
        }
    }
}

/// The largest tile height whose accumulators, weights and broadcast fit in the registers.
const fn tile_height(registers: usize, vectors: usize) -> usize {
    match (registers, vectors) {
        (32, 1 | 2) => 14,
        (32, _) => 9,
        (16, 1) => 12,
        (16, _) => 6,
        (_, _) => 4,
    }
}

/// The most vectors in a panel. With 16 registers a tile of 4 pixels by 3 vectors would need all
/// of them, and compilers spill a sum, which costs more than the tile gains.
pub(crate) const fn panel_vectors(registers: usize) -> usize {
    if registers >= 32 { 3 } else { 2 }
}

impl<A: Addressing> Gemm<A> {
    /// The same product, of pixels in words.
    fn of_words(self) -> narrow::Product {
        narrow::Product::new(self.a, self.panel, self.c, self.panel.narrow())
    }

    #[inline(always)]
    fn panel_of<I: Isa, W: Load>(&self, isa: I, weights: W) {
        match self.panel.vectors {
            1 => self.tiles::<I, W, 1>(isa, weights),
            2 => self.tiles::<I, W, 2>(isa, weights),
            3 if panel_vectors(I::REGISTERS) == 3 => self.tiles::<I, W, 3>(isa, weights),
            _ => {}
        }
    }

    #[inline(always)]
    fn tiles<I: Isa, W: Load, const NZ: usize>(&self, isa: I, weights: W) {
        let height = tile_height(I::REGISTERS, NZ).min(A::ROWS);
        // The next panel is asked for while the tiles of this one are computed, a line with each
        // factor: its share of the lines for each of the first tiles.
        let lines = NZ * I::LANES / LINE;
        let mut ahead = NZ * I::LANES * self.panel.k;
        let last = ahead + lines.saturating_sub(1) * LINE * self.panel.k;
        let mut first = 0;
        let mut to = Cursor { data: self.c.data, left: self.c.width };
        while first < self.a.count {
            let rows = next_run(self.a.count - first, height);
            macro_rules! tile {
                ($($mr:literal)*) => {
                    match rows {
                        $($mr if $mr <= height => {
                            self.tile::<I, W, $mr, NZ>(isa, weights, ahead, first, &mut to);
                        })*
                        _ => {}
                    }
                };
            }
            tile!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            first += rows;
            ahead = (ahead + LINE * self.panel.k).min(last);
        }
    }

    /// Pixels `first .. first + MR`, stored at `to`.
    #[inline(always)]
    fn tile<I: Isa, W: Load, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        weights: W,
        ahead: usize,
        first: usize,
        to: &mut Cursor,
    ) {
        let Panel { bias, k, .. } = self.panel;
        // SAFETY: the plan has checked that pixels, panel and target have these sizes.
        unsafe {
            let ld = A::LD.unwrap_or(self.a.ld);
            let mut sums = [[isa.splat(0.0); NZ]; MR];
            for z in 0..NZ {
                let bias = isa.load(bias.add(z * I::LANES));
                for row in &mut sums {
                    row[z] = bias;
                }
            }
            let pixels = Pixels { data: self.a.data.add(first * ld), ld, count: MR };
            let mut kk = 0;
            while kk + A::TURN <= k {
                for kk in kk..kk + A::TURN {
                    weights.prefetch(isa, ahead + kk * LINE);
                    self.accumulate(isa, weights, pixels, kk, &mut sums);
                }
                kk += A::TURN;
            }
            while kk < k {
                self.accumulate(isa, weights, pixels, kk, &mut sums);
                kk += 1;
            }
            self.end(isa, first, &sums, to);
        }
    }

    /// Adds the products of the pixels' factor `kk` to a tile's sums.
    ///
    /// # Safety
    /// The panel must have this factor, and there must be `MR` pixels.
    #[inline(always)]
    unsafe fn accumulate<I: Isa, W: Load, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        weights: W,
        pixels: Pixels,
        kk: usize,
        sums: &mut [[I::F32; NZ]; MR],
    ) {
        // SAFETY: as the caller's.
        unsafe {
            let mut columns = [isa.splat(0.0); NZ];
            for (z, column) in columns.iter_mut().enumerate() {
                *column = weights.load(isa, (kk * NZ + z) * I::LANES);
            }
            let a = pixels.data.add(self.addressing.offset(kk));
            for (m, row) in sums.iter_mut().enumerate() {
                let pixel = isa.splat(*a.add(m * pixels.ld));
                for z in 0..NZ {
                    row[z] = isa.fma(pixel, columns[z], row[z]);
                }
            }
        }
    }
}
