//! From the map to the points' matrices, and back.

use std::ops::Range;

use super::Grid;
use super::tile::{IN, OUT, from_points, to_points};
use crate::isa::{Isa, Op};
use crate::nhwc::activation::Activation;
use crate::nhwc::{load_lanes, store_lanes};

/// Some tiles of a map at every point: `[IN²][tile][channel]`.
pub(super) struct ToPoints {
    pub(super) x: *const f32,
    pub(super) channels: usize,
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    pub(super) to: *mut f32,
    /// Elements from one point to the next.
    pub(super) point_len: usize,
}

/// Back from `[IN²][tile][column]` to the map's pixels.
pub(super) struct FromPoints {
    pub(super) from: *const f32,
    /// Elements from one point to the next, and from one tile to the next.
    pub(super) point_len: usize,
    pub(super) ld: usize,
    /// The map at the first of these columns.
    pub(super) y: *mut f32,
    pub(super) channels: usize,
    pub(super) columns: usize,
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    /// Of these columns, in whole vectors.
    pub(super) bias: *const f32,
    pub(super) activation: Activation,
}

impl Op for ToPoints {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        for (number, tile) in self.tiles.clone().enumerate() {
            let (rows, columns) = self.grid.inputs(tile);
            let whole = rows.len() == IN && columns.len() == IN;
            let mut channel = 0;
            while channel < self.channels {
                let lanes = I::LANES.min(self.channels - channel);
                let to = self.to.wrapping_add(number * self.channels + channel);
                // SAFETY: the map has these tiles, and the scratch room for them.
                unsafe {
                    if whole && lanes == I::LANES {
                        self.one::<I, true>(isa, tile, channel, lanes, to);
                    } else {
                        self.one::<I, false>(isa, tile, channel, lanes, to);
                    }
                }
                channel += I::LANES;
            }
        }
    }
}

impl ToPoints {
    /// One vector of channels of one tile, which is `WHOLE` where all of it lies on the map.
    ///
    /// # Safety
    /// The map must have this tile, and `to` room for it.
    #[inline(always)]
    unsafe fn one<I: Isa, const WHOLE: bool>(
        &self,
        isa: I,
        tile: usize,
        channel: usize,
        lanes: usize,
        to: *mut f32,
    ) {
        let (rows, columns) = self.grid.inputs(tile);
        let (top, left) = self.grid.corner(tile);
        let width = self.grid.size.1;
        let mut half = [[isa.splat(0.0); IN]; IN];
        // SAFETY: only pixels of the map are read, and only `lanes` channels of them.
        unsafe {
            for column in 0..IN {
                let mut d = [isa.splat(0.0); IN];
                if WHOLE || columns.contains(&column) {
                    for (row, d) in d.iter_mut().enumerate() {
                        if WHOLE || rows.contains(&row) {
                            // One less for the padding.
                            let pixel = (top + row - 1) * width + left + column - 1;
                            let x = self.x.add(pixel * self.channels + channel);
                            *d = if WHOLE { isa.load(x) } else { load_lanes(isa, x, lanes) };
                        }
                    }
                }
                for (row, at) in half.iter_mut().zip(to_points(isa, &d)) {
                    row[column] = at;
                }
            }
            for (row, d) in half.iter().enumerate() {
                for (column, at) in to_points(isa, d).into_iter().enumerate() {
                    let to = to.add((row * IN + column) * self.point_len);
                    store_lanes(isa, to, at, lanes);
                }
            }
        }
    }
}

impl Op for FromPoints {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        for (number, tile) in self.tiles.clone().enumerate() {
            let mut column = 0;
            while column < self.columns {
                let from = self.from.wrapping_add(number * self.ld + column);
                // SAFETY: the map and the scratch have these tiles.
                unsafe { self.one(isa, tile, column, from) };
                column += I::LANES;
            }
        }
    }
}

impl FromPoints {
    /// One vector of columns of one tile.
    ///
    /// # Safety
    /// The map must have this tile, and `from` all of its points.
    #[inline(always)]
    unsafe fn one<I: Isa>(&self, isa: I, tile: usize, column: usize, from: *const f32) {
        let lanes = I::LANES.min(self.columns - column);
        let (top, left) = self.grid.corner(tile);
        let (height, width) = self.grid.size;
        let (rows, columns) = (OUT.min(height - top), OUT.min(width - left));
        let mut half = [[isa.splat(0.0); IN]; OUT];
        // SAFETY: as the caller's; only pixels of the map are written.
        unsafe {
            let bias = isa.load(self.bias.add(column));
            for point in 0..IN {
                let mut m = [isa.splat(0.0); IN];
                for (row, m) in m.iter_mut().enumerate() {
                    *m = isa.load(from.add((row * IN + point) * self.point_len));
                }
                for (row, y) in half.iter_mut().zip(from_points(isa, &m)) {
                    row[point] = y;
                }
            }
            for (row, m) in half.iter().enumerate().take(rows) {
                let to = self.y.add(((top + row) * width + left) * self.channels + column);
                for (x, y) in from_points(isa, m).into_iter().enumerate().take(columns) {
                    let y = self.activation.apply(isa, isa.add(y, bias));
                    store_lanes(isa, to.add(x * self.channels), y, lanes);
                }
            }
        }
    }
}
