//! From channels innermost to channels outermost: what callers get.

use std::ops::Range;

use crate::isa::{Isa, Op};

/// Pixels and channels that are transposed together, so that whole cache lines are read and written,
/// and only so many planes are written to at a time.
const BLOCK: usize = 16;

/// Copies channels `channels` of `x` `[pixels, ld]` to the same rows of `y` `[ld, stride]`.
pub(crate) struct ToPlanes {
    /// Readable for `pixels · ld` elements.
    pub(crate) x: *const f32,
    /// Writable for so many channels of `stride` elements.
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    pub(crate) pixels: usize,
    /// From a channel of `y` to the next: at least `pixels`.
    pub(crate) stride: usize,
    pub(crate) channels: Range<usize>,
}

impl Op for ToPlanes {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _isa: I) {
        for channel in self.channels.clone().step_by(BLOCK) {
            let channels = BLOCK.min(self.channels.end - channel);
            for pixel in (0..self.pixels).step_by(BLOCK) {
                let pixels = BLOCK.min(self.pixels - pixel);
                // SAFETY: the block is inside both.
                unsafe {
                    let x = self.x.add(pixel * self.ld + channel);
                    let y = self.y.add(channel * self.stride + pixel);
                    if (pixels, channels) == (BLOCK, BLOCK) {
                        self.whole(x, y);
                    } else {
                        self.part(x, y, pixels, channels);
                    }
                }
            }
        }
    }
}

impl ToPlanes {
    /// # Safety
    /// `x` and `y` must lead to a whole block.
    #[inline(always)]
    unsafe fn whole(&self, x: *const f32, y: *mut f32) {
        let mut block = [[0.0; BLOCK]; BLOCK];
        for (pixel, row) in block.iter_mut().enumerate() {
            // SAFETY: as the caller's.
            *row = unsafe { x.add(pixel * self.ld).cast::<[f32; BLOCK]>().read() };
        }
        for channel in 0..BLOCK {
            let mut plane = [0.0; BLOCK];
            for (to, row) in plane.iter_mut().zip(&block) {
                *to = row[channel];
            }
            // SAFETY: as the caller's.
            unsafe { y.add(channel * self.stride).cast::<[f32; BLOCK]>().write(plane) };
        }
    }

    /// # Safety
    /// `x` and `y` must lead to so many pixels and channels.
    #[inline(always)]
    unsafe fn part(&self, x: *const f32, y: *mut f32, pixels: usize, channels: usize) {
        for channel in 0..channels {
            for pixel in 0..pixels {
                // SAFETY: as the caller's.
                unsafe { *y.add(channel * self.stride + pixel) = *x.add(pixel * self.ld + channel) }
            }
        }
    }
}
