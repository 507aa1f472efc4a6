//! From channels innermost to channels outermost: what callers get.

use std::ops::Range;

/// Rows of pixels that are transposed together, so that whole cache lines are used.
const BLOCK: usize = 16;

/// Copies channels `channels` of `x` `[pixels, ld]` to the same rows of `y` `[ld, pixels]`.
///
/// # Safety
/// `x` must be readable and `y` writable for `pixels · ld` elements.
pub(crate) unsafe fn to_planes(
    x: *const f32,
    y: *mut f32,
    ld: usize,
    pixels: usize,
    channels: Range<usize>,
) {
    for first in (0..pixels).step_by(BLOCK) {
        let last = pixels.min(first + BLOCK);
        for channel in channels.clone() {
            for pixel in first..last {
                // SAFETY: inside both, which the caller vouches for.
                unsafe { *y.add(channel * pixels + pixel) = *x.add(pixel * ld + channel) };
            }
        }
    }
}
