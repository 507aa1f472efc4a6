//! Mean pooling: 2x2 windows, and whole maps.

use std::ops::Range;

use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

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
