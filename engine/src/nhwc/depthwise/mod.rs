//! Depthwise convolution: rows of outputs, for every kernel that has some, and whole maps.

mod row;
mod target;

use std::ops::Range;

use super::activation::Activation;
use super::band::Under;
use super::{load_lanes, store_lanes};
use crate::isa::{Isa, Op};

pub(crate) use row::{Filter, Row, dilated_rows_under, rows_under, together};
use row::{Partial, PartialRow};
pub(crate) use target::{Joined, Merge, Pairs, Plain};

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
    /// Distance of the kernel's taps; more than 1 only where the stride is 1.
    pub(crate) dilation: usize,
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
        let (padding, apart) = (self.padding.1, self.dilation);
        // Outputs whose taps all lie on the map, if any.
        let inside = padding.div_ceil(stride).min(self.output.1);
        let reach = (kw - 1) * apart + 1;
        let end =
            if width + padding < reach { inside } else { (width + padding - reach) / stride + 1 };
        let inside = inside..end.clamp(inside, self.output.1);
        let whole = (self.channels / I::LANES).clamp(self.vectors.start, self.vectors.end);
        let mut next = self.rows.start;
        while next < self.rows.end {
            let rows = next..self.rows.end;
            let rows = together::<I>(rows, ((kh, kw), apart), stride, self.padding.0, height);
            let (oy, two) = (rows.start, rows.len() > 1);
            let (_, taps) = dilated_rows_under(oy, (kh, apart), stride, self.padding.0, height);
            next = rows.end;
            // SAFETY: the maps have these sizes.
            unsafe {
                let first = oy * stride + taps.0 * apart - self.padding.0;
                let x = self.x.add(first * width * self.channels);
                let y = self.y.add(oy * self.output.1 * self.channels);
                // With taps apart, every so many outputs are a row of neighbours by themselves.
                for first in 0..apart.min(inside.len()) {
                    let start = inside.start + first;
                    let target = Plain {
                        y: y.add(start * self.channels),
                        ld: apart * self.channels,
                        channels: self.channels,
                    };
                    let mut row = Row {
                        filter: self.filter,
                        x: Under::straight(
                            x.wrapping_add((start * stride).wrapping_sub(padding) * self.channels),
                            apart * width * self.channels,
                        ),
                        ld: apart * self.channels,
                        taps,
                        vectors: (self.vectors.start, whole),
                        width: (inside.len() - first).div_ceil(apart),
                        activation: self.activation,
                        target,
                        below: two.then(|| target.below(self.output.1 * self.channels)),
                    };
                    row.x = row.x.from(self.vectors.start * I::LANES);
                    isa.run(row);
                    if whole < self.vectors.end {
                        row.x = row.x.from((whole - self.vectors.start) * I::LANES);
                        row.vectors = (whole, self.vectors.end);
                        isa.run(PartialRow(row, Partial(self.channels - whole * I::LANES)));
                    }
                }
                for ox in (0..inside.start).chain(inside.end..self.output.1) {
                    self.edge(isa, x, y, taps, ox);
                    if two {
                        let x = x.add(width * self.channels);
                        self.edge(isa, x, y.add(self.output.1 * self.channels), taps, ox);
                    }
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
        let apart = self.dilation;
        let first = self.padding.1.saturating_sub(left).div_ceil(apart);
        let end = kw.min((width + self.padding.1).saturating_sub(left).div_ceil(apart));
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
                    let pixel = (ky - taps.0) * apart * width + left + kx * apart - self.padding.1;
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
