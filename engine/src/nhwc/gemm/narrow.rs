//! The matrix product on narrow numbers: pixels and weights as words.
//!
//! Tiles as in [`super`]; where a word has several factors, each step adds that many products.

use std::mem::MaybeUninit;

use super::{
    Activation, Cursor, Dense, Gemm, Panel, Pixels, Target, next_run, panel_vectors, tile_height,
};
use crate::isa::{Columns, Dot, DotOp, Isa, TILE, TileProduct};

/// One panel of columns for some pixels, whose data and pixel stride are words.
pub(crate) struct Product {
    gemm: Gemm<Dense>,
    weights: *const u8,
    columns: Columns,
}

impl Product {
    pub(super) fn new(
        a: Pixels,
        panel: Panel,
        c: Target,
        (weights, columns): (*const u8, Columns),
    ) -> Self {
        Self { gemm: Gemm { a, panel, c, addressing: Dense }, weights, columns }
    }
}

impl DotOp for Product {
    #[inline(always)]
    fn eval<I: Isa, D: Dot<I>>(self, isa: I, dot: D) {
        match (self.gemm.panel.vectors, self.gemm.panel.tiles) {
            (1, false) => self.tiles::<I, D, 1>(isa, dot),
            (2, false) => self.tiles::<I, D, 2>(isa, dot),
            (3, false) if panel_vectors(I::REGISTERS) == 3 => self.tiles::<I, D, 3>(isa, dot),
            (1, true) => self.in_registers::<I, D, 1>(isa, dot),
            (2, true) => self.in_registers::<I, D, 2>(isa, dot),
            (3, true) => self.in_registers::<I, D, 3>(isa, dot),
            _ => {}
        }
    }
}

impl Product {
    #[inline(always)]
    fn tiles<I: Isa, D: Dot<I>, const NZ: usize>(&self, isa: I, dot: D) {
        let height = tile_height(I::REGISTERS, NZ);
        let count = self.gemm.a.count;
        let mut first = 0;
        let mut to = Cursor { data: self.gemm.c.data, left: self.gemm.c.width };
        while first < count {
            let rows = next_run(count - first, height);
            macro_rules! tile {
                ($($mr:literal)*) => {
                    match rows {
                        $($mr if $mr <= height => {
                            self.tile::<I, D, $mr, NZ>(isa, dot, first, &mut to);
                        })*
                        _ => {}
                    }
                };
            }
            tile!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
            first += rows;
        }
    }

    /// Pixels `first .. first + MR`, stored at `to`.
    #[inline(always)]
    fn tile<I: Isa, D: Dot<I>, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        dot: D,
        first: usize,
        to: &mut Cursor,
    ) {
        let Gemm { a, panel, .. } = &self.gemm;
        let words = panel.k.div_ceil(D::GROUP);
        let vector = I::LANES * D::GROUP * D::WEIGHT_BYTES;
        // SAFETY: the plan has checked that pixels, panel and target have these sizes.
        unsafe {
            let data = a.data.add(first * a.ld);
            let mut sums = [[dot.start(isa, self.columns, 0); NZ]; MR];
            for z in 1..NZ {
                let start = dot.start(isa, self.columns, z * I::LANES);
                for row in &mut sums {
                    row[z] = start;
                }
            }
            // The next panel is asked for while the tiles of this one are computed.
            let ahead = self.weights.wrapping_add(words * NZ * vector);
            for word in 0..words {
                isa.prefetch(ahead.wrapping_add(word * NZ * vector).cast());
                let mut weights = [dot.weights(isa, self.weights.add(word * NZ * vector)); NZ];
                for (z, weights) in weights.iter_mut().enumerate().skip(1) {
                    *weights = dot.weights(isa, self.weights.add((word * NZ + z) * vector));
                }
                for (m, row) in sums.iter_mut().enumerate() {
                    let pixel = dot.pixel(isa, data.add(word + m * a.ld));
                    for z in 0..NZ {
                        row[z] = dot.dot(isa, pixel, weights[z], row[z]);
                    }
                }
            }
            // A copy, so that the sums above stay in registers whatever happens here.
            let done = sums;
            self.end(isa, dot, first, &done, to);
        }
    }

    /// Turns sums into values, and stores them.
    ///
    /// # Safety
    /// The map to add and the target must have these pixels.
    #[inline(always)]
    unsafe fn end<I: Isa, D: Dot<I>, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        dot: D,
        first: usize,
        sums: &[[D::Sums; NZ]; MR],
        to: &mut Cursor,
    ) {
        let mut values = [[isa.splat(0.0); NZ]; MR];
        for (values, sums) in values.iter_mut().zip(sums) {
            for z in 0..NZ {
                // SAFETY: the panel has these columns.
                values[z] = unsafe { dot.finish(isa, sums[z], self.columns, z * I::LANES) };
            }
        }
        // SAFETY: as the caller's.
        unsafe { self.gemm.end(isa, first, &values, to) };
    }

    /// All pixels in tile registers, [`TILE`] at a time; the last ones with whatever lies behind.
    #[inline(always)]
    fn in_registers<I: Isa, D: Dot<I>, const NZ: usize>(&self, isa: I, dot: D) {
        const ROWS: usize = 4;
        let Gemm { a, panel, .. } = &self.gemm;
        let mut to = Cursor { data: self.gemm.c.data, left: self.gemm.c.width };
        let mut tiles = Sums(MaybeUninit::uninit());
        let tiles = tiles.0.as_mut_ptr().cast::<f32>();
        for tile in (0..a.count).step_by(TILE) {
            // SAFETY: the plan has checked that pixels, panel and target have these sizes, and has
            // given this thread tiles; behind the pixels are as many as a tile reads.
            unsafe {
                dot.tile::<NZ>(TileProduct {
                    pixels: a.data.add(tile * a.ld),
                    ld: a.ld,
                    weights: self.weights,
                    steps: panel.k.div_ceil(D::GROUP).div_ceil(TILE),
                    start: self.columns.bias,
                    to: tiles,
                });
                let end = a.count.min(tile + TILE);
                let mut first = tile;
                while first + ROWS <= end {
                    self.rows::<I, D, ROWS, NZ>(isa, dot, tiles, first, &mut to);
                    first += ROWS;
                }
                while first < end {
                    self.rows::<I, D, 1, NZ>(isa, dot, tiles, first, &mut to);
                    first += 1;
                }
            }
        }
    }

    /// Stores pixels `first .. first + MR`, which lie in one tile of sums.
    ///
    /// # Safety
    /// As [`Product::end`]; `tiles` must hold the sums of all vectors.
    #[inline(always)]
    unsafe fn rows<I: Isa, D: Dot<I>, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        dot: D,
        tiles: *const f32,
        first: usize,
        to: &mut Cursor,
    ) {
        // SAFETY: `NZ` vectors of `TILE` rows; as the caller's.
        unsafe {
            let from = tiles.add(first % TILE * TILE);
            let mut sums = [[dot.sums(isa, from); NZ]; MR];
            for (m, row) in sums.iter_mut().enumerate() {
                for (z, sum) in row.iter_mut().enumerate() {
                    *sum = dot.sums(isa, from.add((z * TILE + m) * TILE));
                }
            }
            self.end(isa, dot, first, &sums, to);
        }
    }
}

/// Room for the sums of tile registers on their way to a map.
#[repr(align(64))]
struct Sums(MaybeUninit<[f32; 3 * TILE * TILE]>);

/// One pixel, in words, on some panels: the weights stream through once, four panels side by side
/// as in [`crate::nhwc::gemv`].
pub(crate) struct Stream<'a> {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) activation: Activation,
}

/// Panels that are read side by side.
const STREAMS: usize = 4;

/// Bytes ahead that are asked for.
const AHEAD: usize = 4096;

impl DotOp for Stream<'_> {
    #[inline(always)]
    fn eval<I: Isa, D: Dot<I>>(self, isa: I, dot: D) {
        let Some((_, Panel { vectors, .. })) = self.panels.first() else { return };
        let alike = self.panels.iter().take_while(|(_, panel)| panel.vectors == *vectors).count();
        let apart = if *vectors > 1 { alike / STREAMS } else { 0 };
        for first in 0..apart {
            match vectors {
                2 => self.sums::<I, D, 2, STREAMS>(isa, dot, first, apart),
                3 if panel_vectors(I::REGISTERS) == 3 => {
                    self.sums::<I, D, 3, STREAMS>(isa, dot, first, apart);
                }
                _ => {}
            }
        }
        for panel in apart * STREAMS..self.panels.len() {
            match self.panels[panel].1.vectors {
                1 => self.sums::<I, D, 1, 1>(isa, dot, panel, 0),
                2 => self.sums::<I, D, 2, 1>(isa, dot, panel, 0),
                3 if panel_vectors(I::REGISTERS) == 3 => {
                    self.sums::<I, D, 3, 1>(isa, dot, panel, 0);
                }
                _ => {}
            }
        }
    }
}

impl Stream<'_> {
    /// `S` panels of `NZ` vectors, `apart` panels from one another.
    #[inline(always)]
    fn sums<I: Isa, D: Dot<I>, const NZ: usize, const S: usize>(
        &self,
        isa: I,
        dot: D,
        first: usize,
        apart: usize,
    ) {
        let words = self.panels[first].1.k.div_ceil(D::GROUP);
        let vector = I::LANES * D::GROUP * D::WEIGHT_BYTES;
        let mut from = [std::ptr::null::<u8>(); S];
        // SAFETY: the plan has checked the sizes of vectors and panels.
        unsafe {
            let (_, columns) = self.panels[first].1.narrow();
            let mut sums = [[dot.start(isa, columns, 0); NZ]; S];
            for s in 0..S {
                let (weights, columns) = self.panels[first + s * apart].1.narrow();
                from[s] = weights;
                for (z, sum) in sums[s].iter_mut().enumerate() {
                    *sum = dot.start(isa, columns, z * I::LANES);
                }
            }
            for word in 0..words {
                let pixel = dot.pixel(isa, self.x.add(word));
                for (sums, from) in sums.iter_mut().zip(&from) {
                    isa.prefetch(from.wrapping_add(word * NZ * vector + AHEAD).cast());
                    for (z, sum) in sums.iter_mut().enumerate() {
                        let weights = dot.weights(isa, from.add((word * NZ + z) * vector));
                        *sum = dot.dot(isa, pixel, weights, *sum);
                    }
                }
            }
            let done = sums; // a copy, so that the sums above stay in registers
            for (s, sums) in done.iter().enumerate() {
                let (column, panel) = &self.panels[first + s * apart];
                let (_, columns) = panel.narrow();
                for (z, sum) in sums.iter().enumerate() {
                    let lanes = if z + 1 == NZ { panel.tail } else { I::LANES };
                    let value = dot.finish(isa, *sum, columns, z * I::LANES);
                    let y = self.y.add(column + z * I::LANES);
                    crate::nhwc::store_lanes(isa, y, self.activation.apply(isa, value), lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
