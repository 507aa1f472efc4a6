//! One row of outputs of a depthwise convolution.
//!
//! A run of up to eight neighbouring outputs of one vector of channels stays in registers while
//! the taps of the kernel pass over it; each input of a run is loaded once for each kernel row.

use std::ops::Range;

use super::target::{Plain, RowTarget};
use crate::isa::{Isa, Op};
use crate::nhwc::activation::Activation;
use crate::nhwc::band::Under;
use crate::nhwc::next_run;

/// Outputs of a run.
const RUN: usize = 8;

/// Elements under a block of outputs: a part of a first-level cache.
const CACHED_LEN: usize = 3 << 10;

/// Packed weights of one filter for each channel: `[vector][tap][lane]`, see [`crate::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) weights: *const f32,
    pub(crate) bias: *const f32,
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: usize,
}

/// One row of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Row<T> {
    pub(crate) filter: Filter,
    /// The rows under the kernel, at the first of `vectors`.
    pub(crate) x: Under,
    pub(crate) ld: usize,
    /// The kernel's rows that lie on the map.
    pub(crate) taps: (usize, usize),
    /// Vectors of channels, as numbered in the filter.
    pub(crate) vectors: (usize, usize),
    /// Outputs.
    pub(crate) width: usize,
    pub(crate) activation: Activation,
    pub(crate) target: T,
    /// Where the row below goes, which is computed with this one: see [`together`].
    pub(crate) below: Option<T>,
}

/// The first of some rows of outputs, or the first two where these are computed together, so that
/// what both need is read once: with all taps, and registers for the sums of both.
#[inline(always)]
pub(crate) fn together<I: Isa>(
    rows: Range<usize>,
    (kernel, dilation): ((usize, usize), usize),
    stride: usize,
    padding: usize,
    height: usize,
) -> Range<usize> {
    let taps = (kernel.0, dilation);
    let whole =
        |oy: usize| dilated_rows_under(oy, taps, stride, padding, height).1 == (0, kernel.0);
    let two = I::REGISTERS >= 32
        && (kernel, dilation, stride) == ((3, 3), 1, 1)
        && rows.len() > 1
        && whole(rows.start)
        && whole(rows.start + 1);
    rows.start..rows.start + if two { 2 } else { 1 }
}

/// How many lanes of a vector are read.
trait Lanes: Copy {
    /// # Safety
    /// These lanes must be readable.
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32) -> I::F32;
}

/// All of them.
#[derive(Clone, Copy)]
struct Whole;

impl Lanes for Whole {
    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32) -> I::F32 {
        // SAFETY: the caller vouches for them.
        unsafe { isa.load(from) }
    }
}

/// The first ones.
#[derive(Clone, Copy)]
pub(super) struct Partial(pub(super) usize);

impl Lanes for Partial {
    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32) -> I::F32 {
        // SAFETY: the caller vouches for them.
        unsafe { isa.load_partial(from, self.0) }
    }
}

/// The rows of the input and of the kernel that output row `oy` needs; at least one, because
/// padding is smaller than the kernel.
#[inline(always)]
pub(crate) fn rows_under(
    oy: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    height: usize,
) -> (Range<usize>, (usize, usize)) {
    dilated_rows_under(oy, (kernel, 1), stride, padding, height)
}

/// As [`rows_under`], for a kernel whose taps are `dilation` rows apart. All rows from its first to
/// its last are in the range, so that both ends move down with `oy`.
#[inline(always)]
pub(crate) fn dilated_rows_under(
    oy: usize,
    (kernel, dilation): (usize, usize),
    stride: usize,
    padding: usize,
    height: usize,
) -> (Range<usize>, (usize, usize)) {
    let top = oy * stride;
    let first_tap = padding.saturating_sub(top).div_ceil(dilation);
    let last_tap = kernel.min((height + padding).saturating_sub(top).div_ceil(dilation));
    let end = (top + (kernel - 1) * dilation + 1 - padding).min(height);
    (top.saturating_sub(padding)..end, (first_tap, last_tap))
}

impl<T: RowTarget> Op for Row<T> {
    type Output = ();

    /// Computes a row whose inputs have whole vectors of channels.
    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.runs_of(isa, Whole);
    }
}

/// A row of one vector, of which only some lanes are read.
pub(super) struct PartialRow(pub(super) Row<Plain>, pub(super) Partial);

impl Op for PartialRow {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.0.runs_of(isa, self.1);
    }
}

impl<T: RowTarget> Row<T> {
    #[inline(always)]
    fn runs_of<I: Isa, L: Lanes>(&self, isa: I, lanes: L) {
        match (self.filter.kernel.1, self.filter.stride) {
            (3, 1) if I::REGISTERS >= 32 && self.below.is_some() => {
                self.runs::<I, L, 3, 1, true>(isa, lanes);
            }
            // One for all is enough where nobody counts the milliseconds.
            _ if I::REGISTERS < 16 => self.runs::<I, L, 0, 0, false>(isa, lanes),
            (3, 1) => self.runs::<I, L, 3, 1, false>(isa, lanes),
            (3, 2) if T::STRIDED => self.runs::<I, L, 3, 2, false>(isa, lanes),
            (5, 1) => self.runs::<I, L, 5, 1, false>(isa, lanes),
            (5, 2) if T::STRIDED => self.runs::<I, L, 5, 2, false>(isa, lanes),
            (1, 1) if T::STRIDED => self.runs::<I, L, 1, 1, false>(isa, lanes),
            _ => self.runs::<I, L, 0, 0, false>(isa, lanes),
        }
    }

    /// All outputs, of this row or with `TWO` of the one below too.
    #[inline(always)]
    fn runs<I: Isa, L: Lanes, const KW: usize, const S: usize, const TWO: bool>(
        &self,
        isa: I,
        lanes: L,
    ) {
        // All channels of a block before the next block, so that its inputs stay in the cache.
        let column = (self.taps.1 - self.taps.0) * self.ld * self.filter.stride;
        let block = (CACHED_LEN / column.max(1) / RUN * RUN).max(RUN);
        for start in (0..self.width).step_by(block) {
            let end = self.width.min(start + block);
            for vector in self.vectors.0..self.vectors.1 {
                let mut first = start;
                while first < end {
                    let outputs = next_run(end - first, RUN);
                    macro_rules! run {
                        ($($n:literal)*) => {
                            match outputs {
                                $($n if TWO => self.two_rows::<I, L, $n>(isa, lanes, vector, first),)*
                                $($n => self.run::<I, L, KW, S, $n>(isa, lanes, vector, first),)*
                                _ => {}
                            }
                        };
                    }
                    run!(1 2 3 4 5 6 7 8);
                    first += outputs;
                }
            }
        }
    }

    /// Outputs `first .. first + N` of one vector of channels, in this row and the one below.
    #[expect(clippy::needless_range_loop, reason = "it counts columns and taps")]
    #[inline(always)]
    fn two_rows<I: Isa, L: Lanes, const N: usize>(
        &self,
        isa: I,
        lanes: L,
        vector: usize,
        first: usize,
    ) {
        let Some(below) = self.below else { return };
        // SAFETY: the plan has checked the sizes of band and filter.
        unsafe {
            let w = self.filter.weights.add(vector * 9 * I::LANES);
            let mut taps = [[isa.splat(0.0); 3]; 3];
            for (tap, value) in taps.as_flattened_mut().iter_mut().enumerate() {
                *value = isa.load(w.add(tap * I::LANES));
            }
            let mut sums = [[isa.load(self.filter.bias.add(vector * I::LANES)); N]; 2];
            let channel = (vector - self.vectors.0) * I::LANES;
            let mut x = self.x.first.add(channel + first * self.ld);
            for row in 0..4 {
                for i in 0..N + 2 {
                    let input = lanes.load(isa, x.add(i * self.ld));
                    for kx in 0..3 {
                        if i >= kx && i - kx < N {
                            let n = i - kx;
                            if row < 3 {
                                sums[0][n] = isa.fma(input, taps[row][kx], sums[0][n]);
                            }
                            if row > 0 {
                                sums[1][n] = isa.fma(input, taps[row - 1][kx], sums[1][n]);
                            }
                        }
                    }
                }
                x = x.wrapping_add(self.x.row_len);
                if row + 1 == self.x.turn {
                    x = x.wrapping_sub(self.x.back);
                }
            }
            self.activate(isa, &mut sums[0]);
            self.activate(isa, &mut sums[1]);
            self.target.store(isa, &sums[0], (vector, channel), self.ld, first);
            below.store(isa, &sums[1], (vector, channel), self.ld, first);
        }
    }

    /// Outputs `first .. first + N` of one vector of channels. `KW` and `S` are the kernel's
    /// width and stride, or 0 for any.
    #[inline(always)]
    fn run<I: Isa, L: Lanes, const KW: usize, const S: usize, const N: usize>(
        &self,
        isa: I,
        lanes: L,
        vector: usize,
        first: usize,
    ) {
        let Filter { weights, bias, kernel: (kh, kw), stride } = self.filter;
        let width = if KW == 0 { kw } else { KW };
        let stride = if S == 0 { stride } else { S };
        let taps = kh * width;
        // SAFETY: the plan has checked the sizes of band and filter.
        unsafe {
            let w = weights.add(vector * taps * I::LANES);
            let mut sums = [isa.load(bias.add(vector * I::LANES)); N];
            let channel = (vector - self.vectors.0) * I::LANES;
            let mut x = self.x.first.add(channel + first * stride * self.ld);
            let turn = self.taps.0.saturating_add(self.x.turn);
            for ky in self.taps.0..self.taps.1 {
                let w = w.add(ky * width * I::LANES);
                if KW != 0 && S == 1 {
                    let mut columns = [isa.splat(0.0); 8];
                    for (kx, column) in columns.iter_mut().enumerate().take(KW) {
                        *column = isa.load(w.add(kx * I::LANES));
                    }
                    for i in 0..N + KW - 1 {
                        let input = lanes.load(isa, x.add(i * self.ld));
                        for kx in 0..KW {
                            if i >= kx && i - kx < N {
                                sums[i - kx] = isa.fma(input, columns[kx], sums[i - kx]);
                            }
                        }
                    }
                } else {
                    for kx in 0..width {
                        let column = isa.load(w.add(kx * I::LANES));
                        for (n, sum) in sums.iter_mut().enumerate() {
                            let input = lanes.load(isa, x.add((n * stride + kx) * self.ld));
                            *sum = isa.fma(input, column, *sum);
                        }
                    }
                }
                x = x.wrapping_add(self.x.row_len);
                if ky + 1 == turn {
                    x = x.wrapping_sub(self.x.back);
                }
            }
            self.activate(isa, &mut sums);
            self.target.store(isa, &sums, (vector, channel), self.ld, first);
        }
    }

    #[inline(always)]
    fn activate<I: Isa, const N: usize>(&self, isa: I, sums: &mut [I::F32; N]) {
        if let Some(least) = self.activation.least() {
            let least = isa.splat(least);
            for sum in sums {
                *sum = isa.max(least, *sum);
            }
        } else {
            for sum in sums {
                *sum = self.activation.apply(isa, *sum);
            }
        }
    }
}
