//! Matrix products of steps, block by block.

use std::ops::Range;

use crate::nhwc::gemm::{Dense, Gemm, Narrow, Pixels, Stream, Target};
use crate::nhwc::gemv::Gemv;
use crate::pack::Matrix;

/// Pixels whose rows stay in the first cache while the panels pass over them, in elements.
const BLOCK_LEN: usize = 6 << 10;

/// Pixels that go through a matrix product together: their rows stay in the nearest cache.
pub(crate) fn block_pixels(k: usize) -> usize {
    (BLOCK_LEN / k.max(1)).clamp(28, 168)
}

/// A matrix product of some pixels and panels, in blocks of pixels that stay in the cache.
///
/// # Safety
/// `x` and `c` must have these pixels, and `to` room for a block where the matrix takes words.
pub(super) unsafe fn product(
    matrix: &Matrix,
    panels: Range<usize>,
    x: *const f32,
    pixels: Range<usize>,
    c: Target,
    to: *mut f32,
) {
    let Matrix { isa, k, words, .. } = *matrix;
    let panels = &matrix.panels[panels];
    let narrow = |x: *const f32, count: usize| match words {
        None => (x, k),
        Some(words) => {
            let scale = std::ptr::null();
            words.run(isa, Narrow { x, scale, k, count, words, to });
            (to.cast_const(), words.per_pixel(k))
        }
    };
    // In tiles always or never, so that results do not depend on how pixels are divided.
    let tiles = words.is_some_and(|words| words.tiles);
    if pixels.len() == 1 && c.add.is_null() && !tiles {
        let (x, _) = narrow(x.wrapping_add(pixels.start * k), 1);
        let (y, activation) = (c.data.wrapping_add(pixels.start * c.ld), c.activation);
        return match words {
            None => isa.run(Gemv { x, y, panels, activation }),
            Some(words) => words.run(isa, Stream { x, y, panels, activation }),
        };
    }
    let block = block_pixels(k);
    let mut first = pixels.start;
    while first < pixels.end {
        let count = block.min(pixels.end - first);
        let (data, ld) = narrow(x.wrapping_add(first * k), count);
        for &(column, panel) in panels {
            // SAFETY: inside what the caller vouches for.
            unsafe {
                let a = Pixels { data, ld, count };
                let c = Target {
                    data: c.data.add(first * c.ld + column),
                    add: c.add.wrapping_add(if c.add.is_null() {
                        0
                    } else {
                        first * c.add_ld + column
                    }),
                    ..c
                };
                isa.run(Gemm { a, panel, c, addressing: Dense });
            }
        }
        first += count;
    }
}
