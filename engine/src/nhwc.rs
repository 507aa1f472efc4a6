//! Kernels of plans, on maps with the channels innermost (NHWC).
//!
//! Each file has one kernel, as an [`Op`](crate::isa::Op) over raw pointers: a plan has checked
//! the geometry once, and runs them without checks. A *pixel* is one position of a map with all of
//! its channels; a *pixel stride* (`ld…`, BLAS's leading dimension) is the distance in elements
//! from one pixel to the next, so that a kernel can read and write some channels of a wider map.
//! That is how concatenation costs nothing.
//!
//! Convolutions that look at neighbours work on a [`band`]: a few rows, padded with zeros on both
//! sides, which stay in the cache between the step that fills them and the one that reads them.

pub(crate) mod above;
pub(crate) mod activation;
pub(crate) mod band;
pub(crate) mod concat;
pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod dfc;
pub(crate) mod gemm;
pub(crate) mod gemv;
pub(crate) mod ghost;
pub(crate) mod group_norm;
pub(crate) mod pool;
pub(crate) mod resize;
pub(crate) mod transpose;
pub(crate) mod winograd;

use crate::isa::Isa;

/// How many of `left` outputs a kernel computes next, at most `most` at a time: all it can, but
/// the last two times about as many. A single one in the end would wait for each of its sums.
#[inline(always)]
fn next_run(left: usize, most: usize) -> usize {
    if left >= 2 * most || left == most {
        most
    } else if left > most {
        left.div_ceil(2)
    } else {
        left
    }
}

/// Reads the first `lanes` lanes: the quick way where that is all of them, as it mostly is.
///
/// # Safety
/// As [`Isa::load_partial`].
#[inline(always)]
pub(crate) unsafe fn load_lanes<I: Isa>(isa: I, from: *const f32, lanes: usize) -> I::F32 {
    // SAFETY: the caller vouches for the memory.
    unsafe { if lanes == I::LANES { isa.load(from) } else { isa.load_partial(from, lanes) } }
}

/// Writes the first `lanes` lanes, as [`load_lanes`] reads them.
///
/// # Safety
/// As [`Isa::store_partial`].
#[inline(always)]
pub(crate) unsafe fn store_lanes<I: Isa>(isa: I, to: *mut f32, value: I::F32, lanes: usize) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        if lanes == I::LANES { isa.store(to, value) } else { isa.store_partial(to, value, lanes) }
    }
}
