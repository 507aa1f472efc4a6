//! Depthwise convolution of maps with the channels innermost, and its gradients.
//!
//! Small maps are what training mostly sees, where a kernel hangs over the border at every pixel:
//! so the taps that hit the map are listed for each pixel, and only those are computed.

use std::ops::Range;

use rayon::prelude::*;

use super::map::MapShape;
use super::split::Span;
use crate::isa::{AnyIsa, Isa, MAX_LANES, Op};
use crate::nhwc::{load_lanes, store_lanes};
use crate::plan::{Window, share};

/// Parts that the sum over a batch is split into; each has a sum of its own.
const PARTS: usize = 8;

/// Multiply-adds that are worth a task.
const TASK_WORK: usize = 1 << 15;

/// A depthwise convolution of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depthwise {
    pub(super) input: MapShape,
    pub(super) output: MapShape,
    pub(super) window: Window,
}

/// Filters `[c, taps]` as `[taps, c]`, so that a tap of all channels lies side by side.
pub(super) fn tap_major(weights: &[f32], channels: usize) -> Vec<f32> {
    transposed(weights, channels)
}

/// `[rows, columns]` as `[columns, rows]`.
fn transposed(from: &[f32], rows: usize) -> Vec<f32> {
    let columns = from.len() / rows.max(1);
    let mut to = vec![0.0; from.len()];
    for (row, from) in from.chunks_exact(columns.max(1)).enumerate() {
        for (value, to) in from.iter().zip(to[row..].iter_mut().step_by(rows)) {
            *to = *value;
        }
    }
    to
}

impl Depthwise {
    /// `weights` are tap-major.
    pub(super) fn forward(&self, isa: AnyIsa, x: &[f32], weights: &[f32], y: &mut [f32]) {
        let Window { kernel, stride, padding, dilation } = self.window;
        let direction = Direction::Forward { stride, padding, dilation };
        self.gather(isa, (self.input, self.output), kernel, direction, x, weights, y);
    }

    /// The gradient of the input from that of the output; `weights` are tap-major.
    pub(super) fn grad_input(&self, isa: AnyIsa, dy: &[f32], weights: &[f32], dx: &mut [f32]) {
        let Window { kernel, stride, padding, dilation } = self.window;
        let direction = Direction::Backward { stride, padding, dilation };
        self.gather(isa, (self.output, self.input), kernel, direction, dy, weights, dx);
    }

    #[expect(clippy::too_many_arguments, reason = "two maps, filters and how they meet")]
    fn gather(
        &self,
        isa: AnyIsa,
        (from, to): (MapShape, MapShape),
        kernel: (usize, usize),
        direction: Direction,
        x: &[f32],
        weights: &[f32],
        y: &mut [f32],
    ) {
        let channels = from.channels;
        let row_work = (to.width * channels * kernel.0 * kernel.1).max(1);
        let rows = (TASK_WORK / row_work).max(1);
        y.par_chunks_mut((rows * to.width * channels).max(1)).enumerate().for_each(|(task, y)| {
            for (row, y) in y.chunks_exact_mut(to.width * channels).enumerate() {
                let (picture, row) =
                    ((task * rows + row) / to.height, (task * rows + row) % to.height);
                let x = &x[picture * from.picture_len()..][..from.picture_len()];
                isa.run(GatherRow { x, size: from.size(), weights, kernel, direction, row, y });
            }
        });
    }

    /// Adds to `dw` `[c, taps]` the gradient of the filters.
    pub(super) fn grad_weights(&self, isa: AnyIsa, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let Self { input, output, window } = *self;
        let len = dw.len();
        let work = output.picture_len() * window.kernel.0 * window.kernel.1 * input.batch;
        let parts = PARTS.min(input.batch).min(work.div_ceil(TASK_WORK)).max(1);
        let mut partial = vec![0.0; parts * len];
        let to = Span::new(&mut partial);
        (0..parts).into_par_iter().for_each(|number| {
            // SAFETY: each part has sums of its own.
            let sums = unsafe { to.slice(number * len..(number + 1) * len) };
            for picture in share(input.batch, number, parts) {
                let x = &x[picture * input.picture_len()..][..input.picture_len()];
                let dy = &dy[picture * output.picture_len()..][..output.picture_len()];
                isa.run(GradWeights { shape: self, x, dy, sums });
            }
        });
        let mut total = vec![0.0; len];
        for part in partial.chunks_exact(len.max(1)) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += part;
            }
        }
        let taps = window.kernel.0 * window.kernel.1;
        for (dw, total) in dw.iter_mut().zip(transposed(&total, taps)) {
            *dw += total;
        }
    }
}

/// Which way a map is gathered.
#[derive(Clone, Copy)]
enum Direction {
    /// An output from the inputs under its window.
    Forward { stride: usize, padding: (usize, usize), dilation: usize },
    /// An input from the outputs whose windows lie over it.
    Backward { stride: usize, padding: (usize, usize), dilation: usize },
}

impl Direction {
    /// Where tap `tap` of what `at` is made from lies along one axis, if on the map.
    #[inline(always)]
    fn source(self, at: usize, tap: usize, rows: bool, size: usize) -> Option<usize> {
        let place = match self {
            Self::Forward { stride, padding, dilation } => {
                let padding = if rows { padding.0 } else { padding.1 };
                (at * stride + tap * dilation).checked_sub(padding)?
            }
            Self::Backward { stride, padding, dilation } => {
                let padding = if rows { padding.0 } else { padding.1 };
                let place = (at + padding).checked_sub(tap * dilation)?;
                if place % stride != 0 {
                    return None;
                }
                place / stride
            }
        };
        if place < size { Some(place) } else { None }
    }
}

/// The most taps along one axis that are listed at once.
const MAX_TAPS: usize = 64;

/// A row of the map that is made.
struct GatherRow<'a> {
    /// One picture.
    x: &'a [f32],
    size: (usize, usize),
    weights: &'a [f32],
    kernel: (usize, usize),
    direction: Direction,
    row: usize,
    y: &'a mut [f32],
}

impl Op for GatherRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { x, size: (height, width), weights, kernel: (kh, kw), direction, row, y } = self;
        let channels = x.len() / (height * width).max(1);
        for (column, y) in y.chunks_exact_mut(channels).enumerate() {
            // Offsets of sources and taps; lists longer than this are summed in several passes.
            let mut list = [(0usize, 0usize); MAX_TAPS];
            let (mut count, mut first) = (0, true);
            for ky in 0..kh {
                let Some(source) = direction.source(row, ky, true, height) else { continue };
                for kx in 0..kw {
                    let Some(at) = direction.source(column, kx, false, width) else { continue };
                    if count == MAX_TAPS {
                        sum_taps(isa, x, weights, &list, y, first);
                        (count, first) = (0, false);
                    }
                    list[count] = ((source * width + at) * channels, (ky * kw + kx) * channels);
                    count += 1;
                }
            }
            sum_taps(isa, x, weights, &list[..count], y, first);
        }
    }
}

/// `y = Σ x · w` over a list of offsets, on top of what is there unless it is the first.
#[inline(always)]
fn sum_taps<I: Isa>(
    isa: I,
    x: &[f32],
    weights: &[f32],
    list: &[(usize, usize)],
    y: &mut [f32],
    first: bool,
) {
    let channels = y.len();
    for &(x_at, w_at) in list {
        assert!(x_at + channels <= x.len() && w_at + channels <= weights.len());
    }
    let mut channel = 0;
    // Two vectors side by side, so that no sum waits for the one before.
    while channel + 2 * I::LANES <= channels {
        // SAFETY: all channels of these places are there, which was just checked.
        unsafe {
            let to = y.as_mut_ptr().add(channel);
            let mut a = if first { isa.splat(0.0) } else { isa.load(to) };
            let mut b = if first { isa.splat(0.0) } else { isa.load(to.add(I::LANES)) };
            for &(x_at, w_at) in list {
                let x = x.as_ptr().add(x_at + channel);
                let w = weights.as_ptr().add(w_at + channel);
                a = isa.fma(isa.load(x), isa.load(w), a);
                b = isa.fma(isa.load(x.add(I::LANES)), isa.load(w.add(I::LANES)), b);
            }
            isa.store(to, a);
            isa.store(to.add(I::LANES), b);
        }
        channel += 2 * I::LANES;
    }
    while channel < channels {
        let lanes = I::LANES.min(channels - channel);
        // SAFETY: as above.
        unsafe {
            let to = y.as_mut_ptr().add(channel);
            let mut sum = if first { isa.splat(0.0) } else { load_lanes(isa, to, lanes) };
            for &(x_at, w_at) in list {
                let x = load_lanes(isa, x.as_ptr().add(x_at + channel), lanes);
                let w = load_lanes(isa, weights.as_ptr().add(w_at + channel), lanes);
                sum = isa.fma(x, w, sum);
            }
            store_lanes(isa, to, sum, lanes);
        }
        channel += I::LANES;
    }
}

/// Adds a picture's gradient of the filters to tap-major sums.
struct GradWeights<'a> {
    shape: &'a Depthwise,
    x: &'a [f32],
    dy: &'a [f32],
    sums: &'a mut [f32],
}

/// Taps of a row whose sums stay in registers together.
const ROW_TAPS: usize = 5;

impl Op for GradWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { shape: Depthwise { input, output, window }, x, dy, sums } = self;
        let channels = input.channels;
        let (kh, kw) = window.kernel;
        assert!(I::LANES <= MAX_LANES && sums.len() == kh * kw * channels);
        assert!(x.len() == input.picture_len() && dy.len() == output.picture_len());
        let mut channel = 0;
        while channel < channels {
            let lanes = I::LANES.min(channels - channel);
            for ky in 0..kh {
                for first in (0..kw).step_by(ROW_TAPS) {
                    let taps = first..kw.min(first + ROW_TAPS);
                    // SAFETY: the slices have these sizes, and the lanes are channels.
                    unsafe {
                        let x = x.as_ptr().add(channel);
                        let dy = dy.as_ptr().add(channel);
                        let sums = sums.as_mut_ptr().add(channel);
                        let row = TapRow { shape: self.shape, x, dy, sums, ky, taps };
                        row.add(isa, lanes);
                    }
                }
            }
            channel += I::LANES;
        }
    }
}

/// Some taps of one row of the kernel, for one vector of channels.
struct TapRow<'a> {
    shape: &'a Depthwise,
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
    ky: usize,
    taps: Range<usize>,
}

impl TapRow<'_> {
    /// # Safety
    /// The pointers must lead to `lanes` channels of a picture of these shapes.
    #[inline(always)]
    unsafe fn add<I: Isa>(self, isa: I, lanes: usize) {
        let Depthwise { input, output, window } = *self.shape;
        let Window { stride, padding, dilation, .. } = window;
        let channels = input.channels;
        let mut sums = [isa.splat(0.0); ROW_TAPS];
        for oy in 0..output.height {
            let Some(iy) = (oy * stride + self.ky * dilation).checked_sub(padding.0) else {
                continue;
            };
            if iy >= input.height {
                break;
            }
            // SAFETY: as the caller's; rows and columns are on the maps.
            unsafe {
                let x = self.x.add(iy * input.width * channels);
                let dy = self.dy.add(oy * output.width * channels);
                for ox in 0..output.width {
                    let gradient = load_lanes(isa, dy.add(ox * channels), lanes);
                    let left = ox * stride + self.taps.start * dilation;
                    for (tap, sum) in sums.iter_mut().enumerate().take(self.taps.len()) {
                        let Some(ix) = (left + tap * dilation).checked_sub(padding.1) else {
                            continue;
                        };
                        if ix < input.width {
                            let x = load_lanes(isa, x.add(ix * channels), lanes);
                            *sum = isa.fma(x, gradient, *sum);
                        }
                    }
                }
            }
        }
        let (_, kw) = window.kernel;
        for (tap, sum) in self.taps.zip(sums) {
            // SAFETY: as the caller's.
            unsafe {
                let to = self.sums.add((self.ky * kw + tap) * channels);
                store_lanes(isa, to, isa.add(load_lanes(isa, to, lanes), sum), lanes);
            }
        }
    }
}
