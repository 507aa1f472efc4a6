//! Group normalisation: the channels of a group get the mean 0 and the variance 1 over the whole
//! map, then a scale and a shift each.
//!
//! # Source
//! Group Normalization (arXiv 1803.08494). The variance comes from the differences to the mean, in
//! a pass of its own: the difference of two sums would lose most digits where the mean is large.

use std::ops::Range;

use super::activation::Activation;
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

/// Pixels whose sum is taken before it is added to the others: many small sums err less than a
/// long one, and these pixels stay in the cache while all channels pass.
const BLOCK: usize = 64;

/// Some groups of a normalised map.
pub(crate) struct GroupNorm {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
    /// Channels of a group.
    pub(crate) group_len: usize,
    pub(crate) groups: Range<usize>,
    /// Of each channel.
    pub(crate) scale: *const f32,
    pub(crate) shift: *const f32,
    pub(crate) epsilon: f32,
    pub(crate) activation: Activation,
    /// Room for [`scratch_len`].
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for any of the groups.
pub(crate) fn scratch_len(channels: usize) -> usize {
    2 * channels
}

impl Op for GroupNorm {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // SAFETY: the map has these groups, and the scratch room for all channels twice.
        unsafe {
            let (sums, means) = (self.scratch, self.scratch.add(self.channels));
            let own = self.channels_of(self.groups.clone());
            for channel in own.clone() {
                *means.add(channel) = 0.0;
            }
            self.sum::<I, false>(isa, sums, means);
            for group in self.groups.clone() {
                let mean = self.mean(sums, group);
                for channel in self.channels_of(group..group + 1) {
                    *means.add(channel) = mean;
                }
            }
            self.sum::<I, true>(isa, sums, means);
            for group in self.groups.clone() {
                let factor = 1.0 / (self.mean(sums, group) + self.epsilon).sqrt();
                for channel in self.channels_of(group..group + 1) {
                    // What is left of a channel is one factor and one summand.
                    let scale = factor * *self.scale.add(channel);
                    *sums.add(channel) = scale;
                    *means.add(channel) = *self.shift.add(channel) - *means.add(channel) * scale;
                }
            }
            for pixel in 0..self.pixels {
                for channel in own.clone().step_by(I::LANES) {
                    let lanes = I::LANES.min(own.end - channel);
                    let at = pixel * self.channels + channel;
                    let scale = load_lanes(isa, sums.add(channel), lanes);
                    let shift = load_lanes(isa, means.add(channel), lanes);
                    let y = isa.fma(load_lanes(isa, self.x.add(at), lanes), scale, shift);
                    store_lanes(isa, self.y.add(at), self.activation.apply(isa, y), lanes);
                }
            }
        }
    }
}

impl GroupNorm {
    #[inline(always)]
    fn channels_of(&self, groups: Range<usize>) -> Range<usize> {
        groups.start * self.group_len..groups.end * self.group_len
    }

    /// The mean over a group of what was summed by channel.
    ///
    /// # Safety
    /// `sums` must have the group's channels.
    #[inline(always)]
    unsafe fn mean(&self, sums: *const f32, group: usize) -> f32 {
        let mut sum = 0.0;
        for channel in self.channels_of(group..group + 1) {
            // SAFETY: the caller vouches for them.
            sum += f64::from(unsafe { *sums.add(channel) });
        }
        (sum / (self.pixels as f64 * self.group_len as f64)) as f32
    }

    /// Sums over all pixels, for each channel: differences to `means`, or their squares.
    ///
    /// # Safety
    /// `sums` and `means` must have room for all channels.
    #[inline(always)]
    unsafe fn sum<I: Isa, const SQUARES: bool>(&self, isa: I, sums: *mut f32, means: *const f32) {
        let own = self.channels_of(self.groups.clone());
        for first in (0..self.pixels).step_by(BLOCK) {
            let end = self.pixels.min(first + BLOCK);
            for channel in own.clone().step_by(I::LANES) {
                let lanes = I::LANES.min(own.end - channel);
                // SAFETY: the map has these pixels; the caller vouches for the rest.
                unsafe {
                    let mean = load_lanes(isa, means.add(channel), lanes);
                    // Two sums side by side, so that no addition waits for the one before.
                    let mut block = [isa.splat(0.0); 2];
                    for pixel in first..end {
                        let x = self.x.add(pixel * self.channels + channel);
                        let x = isa.sub(load_lanes(isa, x, lanes), mean);
                        let sum = &mut block[pixel % 2];
                        *sum = if SQUARES { isa.fma(x, x, *sum) } else { isa.add(x, *sum) };
                    }
                    let mut sum = isa.add(block[0], block[1]);
                    if first > 0 {
                        sum = isa.add(sum, load_lanes(isa, sums.add(channel), lanes));
                    }
                    store_lanes(isa, sums.add(channel), sum, lanes);
                }
            }
        }
    }
}
