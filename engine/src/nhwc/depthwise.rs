//! Depthwise convolution: a row of outputs, for every kernel that has some, and whole maps.
//!
//! A run of up to eight neighbouring outputs of one vector of channels stays in registers while
//! the taps of the kernel pass over it; each input of a run is loaded once for each kernel row.

use std::ops::Range;

use super::activation::Activation;
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

/// Outputs of a run.
const RUN: usize = 8;

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
    /// `y · gate`: a gate of lower resolution; `columns` tells where its pixel for each of `y` is.
    Gate { gate: *const f32, columns: *const u32 },
}

/// Where a row of outputs goes.
pub(crate) trait RowTarget: Copy {
    /// Whether strided kernels write there: code for others is left out.
    const STRIDED: bool;

    /// Stores outputs `first ..` of one vector of channels, which is at `channel` in the band.
    ///
    /// # Safety
    /// The target must have these pixels and channels.
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        place: (usize, usize),
        band_ld: usize,
        first: usize,
    );
}

/// `y`: the row's first pixel, of `channels` channels.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    pub(crate) channels: usize,
}

/// The primary features, from the band, to `y[..primary]` and the convolution's outputs to
/// `y[primary..channels]`; more of them than fit there are dropped.
#[derive(Clone, Copy)]
pub(crate) struct Joined {
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    pub(crate) channels: usize,
    pub(crate) primary: usize,
    pub(crate) from: *const f32,
    pub(crate) merge: Merge,
}

/// One row of outputs.
#[derive(Clone, Copy)]
pub(crate) struct Row<T> {
    pub(crate) filter: Filter,
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
    pub(crate) target: T,
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
struct Partial(usize);

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
    let top = oy * stride;
    let first_tap = padding.saturating_sub(top);
    let last_tap = kernel.min((height + padding).saturating_sub(top));
    (top + first_tap - padding..top + last_tap - padding, (first_tap, last_tap))
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
struct PartialRow(Row<Plain>, Partial);

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
            // One for all is enough where nobody counts the milliseconds.
            _ if I::REGISTERS < 16 => self.runs::<I, L, 0, 0>(isa, lanes),
            (3, 1) => self.runs::<I, L, 3, 1>(isa, lanes),
            (3, 2) if T::STRIDED => self.runs::<I, L, 3, 2>(isa, lanes),
            (5, 1) => self.runs::<I, L, 5, 1>(isa, lanes),
            (5, 2) if T::STRIDED => self.runs::<I, L, 5, 2>(isa, lanes),
            (1, 1) if T::STRIDED => self.runs::<I, L, 1, 1>(isa, lanes),
            _ => self.runs::<I, L, 0, 0>(isa, lanes),
        }
    }

    #[inline(always)]
    fn runs<I: Isa, L: Lanes, const KW: usize, const S: usize>(&self, isa: I, lanes: L) {
        let runs = self.width.div_ceil(RUN);
        for vector in self.vectors.0..self.vectors.1 {
            let mut first = 0;
            for run in 1..=runs {
                let next = self.width * run / runs;
                macro_rules! run {
                    ($($n:literal)*) => {
                        match next - first {
                            $($n => self.run::<I, L, KW, S, $n>(isa, lanes, vector, first),)*
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
            let mut x = self.x.add(channel + first * stride * self.ld);
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
                x = x.add(self.row_len);
            }
            for sum in &mut sums {
                *sum = self.activation.apply(isa, *sum);
            }
            self.target.store(isa, &sums, (vector, channel), self.ld, first);
        }
    }
}

impl RowTarget for Plain {
    const STRIDED: bool = true;

    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (vector, _): (usize, usize),
        _: usize,
        first: usize,
    ) {
        let c = vector * I::LANES;
        let lanes = I::LANES.min(self.channels - c);
        for (n, sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for the target; lanes beyond its channels are left out.
            unsafe { store_lanes(isa, self.y.add((first + n) * self.ld + c), *sum, lanes) };
        }
    }
}

impl RowTarget for Joined {
    const STRIDED: bool = false;

    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (vector, channel): (usize, usize),
        band_ld: usize,
        first: usize,
    ) {
        let Self { y, ld, channels, primary, from, merge } = *self;
        let c = vector * I::LANES;
        let lanes = I::LANES.min(primary - c);
        let cheap_lanes = I::LANES.min((channels - primary).saturating_sub(c));
        // SAFETY: the caller vouches for the target; lanes beyond its channels are left out.
        unsafe {
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
                Merge::Gate { gate, columns } => {
                    let gate = gate.add(c);
                    for (n, sum) in sums.iter().enumerate() {
                        let y = y.add(n * ld);
                        let gate = gate.add(*columns.add(first + n) as usize);
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

/// A map, or some rows and vectors of channels of one.
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
}

/// Vectors of channels that an output at the border computes side by side.
const EDGE: usize = 4;

impl Op for Depthwise {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (height, width) = self.input;
        let Filter { kernel: (kh, kw), stride, .. } = self.filter;
        let padding = self.padding.1;
        // Outputs whose taps all lie on the map, if any.
        let inside = padding.div_ceil(stride).min(self.output.1);
        let reach = (width + padding).saturating_sub(kw);
        let end = if width + padding < kw { inside } else { reach / stride + 1 };
        let inside = inside..end.clamp(inside, self.output.1);
        let whole = (self.channels / I::LANES).clamp(self.vectors.start, self.vectors.end);
        for oy in self.rows.clone() {
            let (rows, taps) = rows_under(oy, kh, stride, self.padding.0, height);
            // SAFETY: the maps have these sizes.
            unsafe {
                let x = self.x.add(rows.start * width * self.channels);
                let y = self.y.add(oy * self.output.1 * self.channels);
                let mut row = Row {
                    filter: self.filter,
                    x: x.wrapping_add((inside.start * stride).wrapping_sub(padding) * self.channels),
                    row_len: width * self.channels,
                    ld: self.channels,
                    taps,
                    vectors: (self.vectors.start, whole),
                    width: inside.len(),
                    activation: self.activation,
                    target: Plain {
                        y: y.add(inside.start * self.channels),
                        ld: self.channels,
                        channels: self.channels,
                    },
                };
                row.x = row.x.wrapping_add(self.vectors.start * I::LANES);
                isa.run(row);
                if whole < self.vectors.end {
                    row.x = row.x.wrapping_add((whole - self.vectors.start) * I::LANES);
                    row.vectors = (whole, self.vectors.end);
                    isa.run(PartialRow(row, Partial(self.channels - whole * I::LANES)));
                }
                for ox in (0..inside.start).chain(inside.end..self.output.1) {
                    self.edge(isa, x, y, taps, ox);
                }
            }
        }
    }
}

impl Depthwise {
    /// One output at the left or right border, in all vectors.
    ///
    /// # Safety
    /// `x` is the first row under the kernel, `y` the output's row.
    #[inline(always)]
    unsafe fn edge<I: Isa>(
        &self,
        isa: I,
        x: *const f32,
        y: *mut f32,
        taps: (usize, usize),
        ox: usize,
    ) {
        let mut vector = self.vectors.start;
        // SAFETY: as the caller's; vectors beyond the channels are partial.
        unsafe {
            while vector + EDGE <= self.vectors.end && (vector + EDGE) * I::LANES <= self.channels {
                self.edge_vectors::<I, EDGE>(isa, x, y, taps, ox, vector);
                vector += EDGE;
            }
            while vector < self.vectors.end {
                self.edge_vectors::<I, 1>(isa, x, y, taps, ox, vector);
                vector += 1;
            }
        }
    }

    /// # Safety
    /// As [`Depthwise::edge`].
    #[inline(always)]
    unsafe fn edge_vectors<I: Isa, const N: usize>(
        &self,
        isa: I,
        x: *const f32,
        y: *mut f32,
        taps: (usize, usize),
        ox: usize,
        vector: usize,
    ) {
        let Filter { kernel: (kh, kw), stride, .. } = self.filter;
        let (left, width) = (ox * stride, self.input.1);
        let first = self.padding.1.saturating_sub(left);
        let end = kw.min((width + self.padding.1).saturating_sub(left));
        let channel = vector * I::LANES;
        let lanes = I::LANES.min(self.channels - channel);
        // SAFETY: as the caller's; the taps from `first` to `end` are on the map.
        unsafe {
            let w = self.filter.weights.add(vector * kh * kw * I::LANES);
            let bias = self.filter.bias.add(channel);
            let mut sums = [isa.splat(0.0); N];
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = isa.load(bias.add(n * I::LANES));
            }
            for ky in taps.0..taps.1 {
                for kx in first..end {
                    let pixel = (ky - taps.0) * width + left + kx - self.padding.1;
                    let x = x.add(pixel * self.channels + channel);
                    for (n, sum) in sums.iter_mut().enumerate() {
                        let w = isa.load(w.add(((n * kh + ky) * kw + kx) * I::LANES));
                        *sum = isa.fma(load_lanes(isa, x.add(n * I::LANES), lanes), w, *sum);
                    }
                }
            }
            for (n, sum) in sums.iter().enumerate() {
                let y = y.add(ox * self.channels + channel + n * I::LANES);
                store_lanes(isa, y, self.activation.apply(isa, *sum), lanes);
            }
        }
    }
}
