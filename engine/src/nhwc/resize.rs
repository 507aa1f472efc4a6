//! Nearest and bilinear resizing of a map, to which another may be added before an activation.
//!
//! Where each output row and column comes from is in tables, so that a kernel knows nothing of
//! scales and of how they are rounded.

use std::ops::Range;

use super::activation::Activation;
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

/// How an output is made from the pixels around it: a table of columns and one of rows.
#[derive(Clone, Copy)]
pub(crate) enum Sources<'a> {
    /// The offset of the one pixel.
    Nearest { columns: &'a [u32], rows: &'a [u32] },
    /// Three numbers for each: the offsets of two, and the bits of the second one's share.
    Linear { columns: &'a [u32], rows: &'a [u32] },
}

/// Some rows of a resized map.
pub(crate) struct Resize<'a> {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    /// Null, or a map of the output's shape.
    pub(crate) add: *const f32,
    pub(crate) channels: usize,
    /// Width of the output.
    pub(crate) width: usize,
    pub(crate) sources: Sources<'a>,
    pub(crate) activation: Activation,
    /// Output rows to compute.
    pub(crate) rows: Range<usize>,
}

/// Two offsets and the share of what is at the second one.
#[derive(Clone, Copy)]
struct Pair {
    first: usize,
    second: usize,
    share: f32,
}

impl Pair {
    #[inline(always)]
    fn of(table: &[u32], at: usize) -> Self {
        let [first, second, share] = [table[3 * at], table[3 * at + 1], table[3 * at + 2]];
        Self { first: first as usize, second: second as usize, share: f32::from_bits(share) }
    }
}

impl Op for Resize<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        for oy in self.rows.clone() {
            for ox in 0..self.width {
                let pixel = (oy * self.width + ox) * self.channels;
                // SAFETY: the tables lead to pixels of the input, and the output has this one.
                unsafe {
                    match self.sources {
                        Sources::Nearest { columns, rows } => {
                            let x = self.x.add(rows[oy] as usize + columns[ox] as usize);
                            self.nearest(isa, x, pixel);
                        }
                        Sources::Linear { columns, rows } => {
                            self.linear(isa, Pair::of(rows, oy), Pair::of(columns, ox), pixel);
                        }
                    }
                }
            }
        }
    }
}

impl Resize<'_> {
    /// Makes the output's pixel that begins at element `pixel` from the one at `x`.
    ///
    /// # Safety
    /// Both must be pixels of their maps.
    #[inline(always)]
    unsafe fn nearest<I: Isa>(&self, isa: I, x: *const f32, pixel: usize) {
        for channel in (0..self.channels).step_by(I::LANES) {
            let lanes = I::LANES.min(self.channels - channel);
            // SAFETY: these lanes are channels of both pixels.
            unsafe {
                let value = load_lanes(isa, x.add(channel), lanes);
                self.finish(isa, value, pixel + channel, lanes);
            }
        }
    }

    /// Makes the output's pixel that begins at element `pixel` from the four around it.
    ///
    /// # Safety
    /// The pairs must lead to pixels of the input, and `pixel` be one of the output.
    #[inline(always)]
    unsafe fn linear<I: Isa>(&self, isa: I, row: Pair, column: Pair, pixel: usize) {
        let (above, below) = (isa.splat(1.0 - row.share), isa.splat(row.share));
        let (left, right) = (isa.splat(1.0 - column.share), isa.splat(column.share));
        for channel in (0..self.channels).step_by(I::LANES) {
            let lanes = I::LANES.min(self.channels - channel);
            // SAFETY: these lanes are channels of all five pixels.
            unsafe {
                let x = self.x.add(channel);
                let mut sums = [isa.splat(0.0); 2];
                for (sum, row) in sums.iter_mut().zip([row.first, row.second]) {
                    let a = load_lanes(isa, x.add(row + column.first), lanes);
                    let b = load_lanes(isa, x.add(row + column.second), lanes);
                    *sum = isa.fma(b, right, isa.mul(a, left));
                }
                let value = isa.fma(sums[1], below, isa.mul(sums[0], above));
                self.finish(isa, value, pixel + channel, lanes);
            }
        }
    }

    /// Adds, activates and stores.
    ///
    /// # Safety
    /// The output must have `lanes` elements from `at`.
    #[inline(always)]
    unsafe fn finish<I: Isa>(&self, isa: I, mut value: I::F32, at: usize, lanes: usize) {
        // SAFETY: as the caller's.
        unsafe {
            if !self.add.is_null() {
                value = isa.add(value, load_lanes(isa, self.add.add(at), lanes));
            }
            store_lanes(isa, self.y.add(at), self.activation.apply(isa, value), lanes);
        }
    }
}
