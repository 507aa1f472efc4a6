//! Concatenation along the channels, by a copy.
//!
//! Convolutions that come before could write into some channels of a wider map instead; the few
//! concatenations of heads are a thousandth of the work around them.

use std::ops::Range;

/// Copies `channels` channels of some pixels of `x` to pixels of `y` that are `ld` elements apart.
///
/// # Safety
/// `x` must be readable and `y` writable for these pixels.
pub(crate) unsafe fn concat(
    x: *const f32,
    channels: usize,
    y: *mut f32,
    ld: usize,
    pixels: Range<usize>,
) {
    for pixel in pixels {
        // SAFETY: the caller vouches for both.
        unsafe {
            let y = y.add(pixel * ld);
            y.copy_from_nonoverlapping(x.add(pixel * channels), channels);
        }
    }
}
