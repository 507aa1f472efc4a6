//! The matrix product on narrow numbers: pixels and weights as words.
//!
//! Tiles as in [`super`]; where a word has several factors, each step adds that many products.

use super::{
    Activation, Cursor, Dense, Gemm, Panel, Pixels, Target, next_run, panel_vectors, tile_height,
};
use crate::isa::{Columns, Dot, DotOp, Isa};

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
        match self.gemm.panel.vectors {
            1 => self.tiles::<I, D, 1>(isa, dot),
            2 => self.tiles::<I, D, 2>(isa, dot),
            3 if panel_vectors(I::REGISTERS) == 3 => self.tiles::<I, D, 3>(isa, dot),
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
            let mut values = [[isa.splat(0.0); NZ]; MR];
            for (values, sums) in values.iter_mut().zip(&done) {
                for z in 0..NZ {
                    values[z] = dot.finish(isa, sums[z], self.columns, z * I::LANES);
                }
            }
            self.gemm.end(isa, first, &values, to);
        }
    }
}

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
                    super::store_lanes(isa, y, self.activation.apply(isa, value), lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
