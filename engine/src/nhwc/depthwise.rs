//! Depthwise convolution: a row of outputs from a [`Band`], and whole maps through one.
//!
//! A run of up to eight neighbouring outputs of one vector of channels stays in registers while
//! the taps of the kernel pass over it; each input of a run is loaded once for each kernel row.

use std::ops::Range;

use super::activation::Activation;
use super::band::{self, Band};
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

/// Outputs of a run.
const RUN: usize = 8;

/// Channels that pass through a band together, in vectors.
const GROUP: usize = 4;

/// Packed weights of one filter for each channel: `[vector][tap][lane]`, see [`crate::pack`].
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) weights: *const f32,
    pub(crate) bias: *const f32,
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: usize,
}

/// The second operand of a ghost module's output.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// Nothing.
    None,
    /// `y + add`: the shortcut, at the row's first pixel.
    Add { add: *const f32, ld: usize },
    /// `y · gate`: a gate of lower resolution; `columns` tells which of its pixels is which's.
    Gate { gate: *const f32, ld: usize, columns: *const u32 },
}

/// Where a row of outputs goes.
#[derive(Clone, Copy)]
pub(crate) enum RowTarget {
    /// `y`: the row's first pixel, of `channels` channels.
    Plain { y: *mut f32, ld: usize, channels: usize },
    /// The primary features, from the band, to `y[..primary]` and the convolution's outputs to
    /// `y[primary..channels]`; more of them than fit there are dropped.
    Ghost { y: *mut f32, ld: usize, channels: usize, primary: usize, from: *const f32, merge: Merge },
}

/// One row of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// The first row under the kernel, at its left padding, at the first of `vectors`.
    pub(crate) x: *const f32,
    pub(crate) row_len: usize,
    pub(crate) ld: usize,
    /// The kernel's rows that lie on the map.
    pub(crate) taps: (usize, usize),
    /// Vectors of channels, as numbered in the filter.
    pub(crate) vectors: (usize, usize),
    /// Outputs.
    pub(crate) width: usize,
    pub(crate) activation: Activation,
    pub(crate) target: RowTarget,
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
    let top = oy * stride;
    let first_tap = padding.saturating_sub(top);
    let last_tap = kernel.min((height + padding).saturating_sub(top));
    (top + first_tap - padding..top + last_tap - padding, (first_tap, last_tap))
}

impl Filter {
    #[inline(always)]
    pub(crate) fn row<I: Isa>(&self, isa: I, row: &Row) {
        match (self.kernel.1, self.stride) {
            (3, 1) => self.runs::<I, 3, 1>(isa, row),
            (3, 2) => self.runs::<I, 3, 2>(isa, row),
            (5, 1) => self.runs::<I, 5, 1>(isa, row),
            (5, 2) => self.runs::<I, 5, 2>(isa, row),
            (1, 1) => self.runs::<I, 1, 1>(isa, row),
            _ => self.runs::<I, 0, 0>(isa, row),
        }
    }

    #[inline(always)]
    fn runs<I: Isa, const KW: usize, const S: usize>(&self, isa: I, row: &Row) {
        let runs = row.width.div_ceil(RUN);
        for vector in row.vectors.0..row.vectors.1 {
            let mut first = 0;
            for run in 1..=runs {
                let next = row.width * run / runs;
                macro_rules! run {
                    ($($n:literal)*) => {
                        match next - first {
                            $($n => self.run::<I, KW, S, $n>(isa, row, vector, first),)*
                            _ => {}
                        }
                    };
                }
                run!(1 2 3 4 5 6 7 8);
                first = next;
            }
        }
    }

    /// Outputs `first .. first + N` of one vector of channels. `KW` and `S` are the kernel's
    /// width and stride, or 0 for any.
    #[inline(always)]
    fn run<I: Isa, const KW: usize, const S: usize, const N: usize>(
        &self,
        isa: I,
        row: &Row,
        vector: usize,
        first: usize,
    ) {
        let width = if KW == 0 { self.kernel.1 } else { KW };
        let stride = if S == 0 { self.stride } else { S };
        let taps = self.kernel.0 * width;
        // SAFETY: the plan has checked the sizes of band and filter.
        unsafe {
            let w = self.weights.add(vector * taps * I::LANES);
            let mut sums = [isa.load(self.bias.add(vector * I::LANES)); N];
            let channel = (vector - row.vectors.0) * I::LANES;
            let mut x = row.x.add(channel + first * stride * row.ld);
            for ky in row.taps.0..row.taps.1 {
                let w = w.add(ky * width * I::LANES);
                if KW != 0 && S == 1 {
                    let mut columns = [isa.splat(0.0); 8];
                    for (kx, column) in columns.iter_mut().enumerate().take(KW) {
                        *column = isa.load(w.add(kx * I::LANES));
                    }
                    for i in 0..N + KW - 1 {
                        let input = isa.load(x.add(i * row.ld));
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
                            let input = isa.load(x.add((n * stride + kx) * row.ld));
                            *sum = isa.fma(input, column, *sum);
                        }
                    }
                }
                x = x.add(row.row_len);
            }
            for sum in &mut sums {
                *sum = row.activation.apply(isa, *sum);
            }
            row.target.store(isa, &sums, vector, channel, row.ld, first);
        }
    }
}

impl RowTarget {
    /// Stores outputs `first ..` of one vector of channels, which is at `channel` in the band.
    ///
    /// # Safety
    /// The target must have these pixels and channels.
    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        vector: usize,
        channel: usize,
        band_ld: usize,
        first: usize,
    ) {
        let c = vector * I::LANES;
        // SAFETY: the caller vouches for the target; lanes beyond its channels are left out.
        unsafe {
            match *self {
                Self::Plain { y, ld, channels } => {
                    let lanes = I::LANES.min(channels - c);
                    for (n, sum) in sums.iter().enumerate() {
                        store_lanes(isa, y.add((first + n) * ld + c), *sum, lanes);
                    }
                }
                Self::Ghost { y, ld, channels, primary, from, merge } => {
                    let lanes = I::LANES.min(primary - c);
                    let cheap_lanes = I::LANES.min((channels - primary).saturating_sub(c));
                    let y = y.add(first * ld + c);
                    let from = from.add(first * band_ld + channel);
                    match merge {
                        Merge::None => {
                            for (n, sum) in sums.iter().enumerate() {
                                let y = y.add(n * ld);
                                store_lanes(isa, y, isa.load(from.add(n * band_ld)), lanes);
                                store_lanes(isa, y.add(primary), *sum, cheap_lanes);
                            }
                        }
                        Merge::Add { add, ld: add_ld } => {
                            let add = add.add(first * add_ld + c);
                            for (n, sum) in sums.iter().enumerate() {
                                let (y, add) = (y.add(n * ld), add.add(n * add_ld));
                                let a = isa.load(from.add(n * band_ld));
                                let a = isa.add(a, load_lanes(isa, add, lanes));
                                let b = load_lanes(isa, add.add(primary), cheap_lanes);
                                store_lanes(isa, y, a, lanes);
                                store_lanes(isa, y.add(primary), isa.add(*sum, b), cheap_lanes);
                            }
                        }
                        Merge::Gate { gate, ld: gate_ld, columns } => {
                            let gate = gate.add(c);
                            for (n, sum) in sums.iter().enumerate() {
                                let y = y.add(n * ld);
                                let gate = gate.add(*columns.add(first + n) as usize * gate_ld);
                                let a = isa.load(from.add(n * band_ld));
                                let a = isa.mul(a, load_lanes(isa, gate, lanes));
                                let b = load_lanes(isa, gate.add(primary), cheap_lanes);
                                store_lanes(isa, y, a, lanes);
                                store_lanes(isa, y.add(primary), isa.mul(*sum, b), cheap_lanes);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A map, or some rows and vectors of channels of one.
#[derive(Clone)]
pub(crate) struct Depthwise {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    /// Channels, which are the pixel strides too.
    pub(crate) channels: usize,
    /// Height and width of the input and of the output.
    pub(crate) input: (usize, usize),
    pub(crate) output: (usize, usize),
    pub(crate) padding: (usize, usize),
    pub(crate) filter: Filter,
    pub(crate) activation: Activation,
    /// Output rows and vectors of channels to compute.
    pub(crate) rows: Range<usize>,
    pub(crate) vectors: Range<usize>,
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch that [`Depthwise`] needs for any part of a map.
pub(crate) fn scratch_len(
    lanes: usize,
    height: usize,
    width: usize,
    padding: usize,
    window: usize,
) -> usize {
    let row_len = (width + 2 * padding) * GROUP * lanes;
    band::capacity(height, window, row_len) * row_len
}

impl Op for Depthwise {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let mut first = self.vectors.start;
        while first < self.vectors.end {
            let end = self.vectors.end.min(first + GROUP);
            self.group(isa, first, end);
            first = end;
        }
    }
}

impl Depthwise {
    #[inline(always)]
    fn group<I: Isa>(&self, isa: I, first: usize, end: usize) {
        let (height, width) = self.input;
        let ((kh, _), stride) = (self.filter.kernel, self.filter.stride);
        let under = |oy: usize| rows_under(oy, kh, stride, self.padding.0, height);
        let ld = (end - first) * I::LANES;
        let channel = first * I::LANES;
        let window = kh.max(stride);
        let row_len = (width + 2 * self.padding.1) * GROUP * I::LANES;
        let capacity = band::capacity(height, window, row_len);
        let mut oy = self.rows.start;
        let from = under(oy).0.start;
        // SAFETY: the scratch has `scratch_len`, the maps have their sizes, and every row that is
        // read has been filled.
        unsafe {
            let mut band =
                Band::new(self.scratch, ld, (width, self.padding.1), capacity, from);
            let last = under(self.rows.end - 1).0.end;
            while oy < self.rows.end {
                let room = band.room_after(under(oy).0.start);
                let fill = room.min(last - band.end());
                for _ in 0..fill {
                    let x = self.x.add(band.end() * width * self.channels + channel);
                    copy_pixels(isa, x, self.channels, self.channels - channel, ld, width, band.grow(1));
                }
                while oy < self.rows.end && under(oy).0.end <= band.end() {
                    let (rows, taps) = under(oy);
                    let row = Row {
                        x: band.row(rows.start),
                        row_len: band.row_len(),
                        ld,
                        taps,
                        vectors: (first, end),
                        width: self.output.1,
                        activation: self.activation,
                        target: RowTarget::Plain {
                            y: self.y.add(oy * self.output.1 * self.channels),
                            ld: self.channels,
                            channels: self.channels,
                        },
                    };
                    self.filter.row(isa, &row);
                    oy += 1;
                }
            }
        }
    }
}

/// Copies `channels` channels of pixels, at most `ld` and with zeros up to there.
///
/// # Safety
/// `from` must be readable for `width` pixels of stride `from_ld`, `to` writable for as many of
/// stride `ld`.
#[inline(always)]
unsafe fn copy_pixels<I: Isa>(
    isa: I,
    from: *const f32,
    from_ld: usize,
    channels: usize,
    ld: usize,
    width: usize,
    to: *mut f32,
) {
    for pixel in 0..width {
        let mut c = 0;
        while c < ld {
            // SAFETY: the caller vouches for the memory.
            unsafe {
                let lanes = I::LANES.min(channels - c);
                let value = load_lanes(isa, from.add(pixel * from_ld + c), lanes);
                isa.store(to.add(pixel * ld + c), value);
            }
            c += I::LANES;
        }
    }
}
