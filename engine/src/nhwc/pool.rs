//! Mean pooling: windows, and whole maps.

use std::ops::Range;

use super::depthwise::rows_under;
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};
use crate::plan::Window;

/// Means of 2x2 windows with stride 2; an odd last row or column is left out.
pub(crate) struct AvgPool2x2 {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) channels: usize,
    /// Width of the input.
    pub(crate) width: usize,
    /// Output rows to compute.
    pub(crate) rows: Range<usize>,
}

impl Op for AvgPool2x2 {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (c, out) = (self.channels, self.width / 2);
        let quarter = isa.splat(0.25);
        for oy in self.rows {
            for ox in 0..out {
                let mut channel = 0;
                while channel < c {
                    let lanes = I::LANES.min(c - channel);
                    // SAFETY: the maps have these sizes.
                    unsafe {
                        let top = self.x.add((2 * oy * self.width + 2 * ox) * c + channel);
                        let bottom = top.add(self.width * c);
                        let left =
                            isa.add(load_lanes(isa, top, lanes), load_lanes(isa, bottom, lanes));
                        let right = isa.add(
                            load_lanes(isa, top.add(c), lanes),
                            load_lanes(isa, bottom.add(c), lanes),
                        );
                        let mean = isa.mul(isa.add(left, right), quarter);
                        store_lanes(isa, self.y.add((oy * out + ox) * c + channel), mean, lanes);
                    }
                    channel += I::LANES;
                }
            }
        }
    }
}

/// Means of windows of any kind.
pub(crate) struct AvgPool {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) channels: usize,
    /// Height and width of the input.
    pub(crate) input: (usize, usize),
    /// Width of the output.
    pub(crate) width: usize,
    pub(crate) window: Window,
    /// Whether the zeros of the padding are pixels too.
    pub(crate) count_padding: bool,
    /// Output rows to compute.
    pub(crate) rows: Range<usize>,
}

impl Op for AvgPool {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Window { kernel: (kh, kw), stride, padding, .. } = self.window;
        for oy in self.rows.clone() {
            let (rows, _) = rows_under(oy, kh, stride, padding.0, self.input.0);
            for ox in 0..self.width {
                let (columns, _) = rows_under(ox, kw, stride, padding.1, self.input.1);
                let y = self.y.wrapping_add((oy * self.width + ox) * self.channels);
                // SAFETY: the maps have these sizes.
                unsafe { self.window_of(isa, rows.clone(), columns, y) };
            }
        }
    }
}

impl AvgPool {
    /// The mean over some rows and columns, at least one of each.
    ///
    /// # Safety
    /// The map must have them, and `y` room for all channels.
    #[inline(always)]
    unsafe fn window_of<I: Isa>(
        &self,
        isa: I,
        rows: Range<usize>,
        columns: Range<usize>,
        y: *mut f32,
    ) {
        let (kh, kw) = self.window.kernel;
        let pixels = if self.count_padding { kh * kw } else { rows.len() * columns.len() };
        let scale = isa.splat(1.0 / pixels as f32);
        for channel in (0..self.channels).step_by(I::LANES) {
            let lanes = I::LANES.min(self.channels - channel);
            let mut sum = isa.splat(0.0);
            // SAFETY: as the caller's.
            unsafe {
                for row in rows.clone() {
                    for column in columns.clone() {
                        let pixel = row * self.input.1 + column;
                        let x = self.x.add(pixel * self.channels + channel);
                        sum = isa.add(sum, load_lanes(isa, x, lanes));
                    }
                }
                store_lanes(isa, y.add(channel), isa.mul(sum, scale), lanes);
            }
        }
    }
}

/// The mean over all pixels, for some vectors of channels.
pub(crate) struct GlobalPool {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
    pub(crate) vectors: Range<usize>,
}

/// Sums that run side by side, so that no addition waits for the one before.
const CHAINS: usize = 4;

impl Op for GlobalPool {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let scale = isa.splat(1.0 / self.pixels as f32);
        for vector in self.vectors {
            let channel = vector * I::LANES;
            let lanes = I::LANES.min(self.channels - channel);
            let mut sums = [isa.splat(0.0); CHAINS];
            let x = self.x.wrapping_add(channel);
            let whole = self.pixels / CHAINS * CHAINS;
            // SAFETY: the map has these pixels and channels.
            unsafe {
                for first in (0..whole).step_by(CHAINS) {
                    for (chain, sum) in sums.iter_mut().enumerate() {
                        let x = x.add((first + chain) * self.channels);
                        *sum = isa.add(*sum, load_lanes(isa, x, lanes));
                    }
                }
                for pixel in whole..self.pixels {
                    let x = x.add(pixel * self.channels);
                    sums[0] = isa.add(sums[0], load_lanes(isa, x, lanes));
                }
            }
            let sum = isa.add(isa.add(sums[0], sums[1]), isa.add(sums[2], sums[3]));
            // SAFETY: the output has these channels.
            unsafe { store_lanes(isa, self.y.add(channel), isa.mul(sum, scale), lanes) };
        }
    }
}
