//! Depthwise convolution of maps with the channels innermost, and its gradients.
//!
//! Forward it is the kernel of plans. So is the gradient of the input where the stride is 1: the
//! convolution of the output's gradient with the filters turned around.

mod filters;
mod strided;

use rayon::prelude::*;

use super::map::MapShape;
use super::split::Span;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::nhwc::depthwise::{Depthwise as Rows, Filter};
use crate::pack::place_filter;
use crate::plan::{Window, share};

/// Parts that the sum over a batch is split into; each has a sum of its own.
const PARTS: usize = 8;

/// Multiply-adds that are worth a task.
const TASK_WORK: usize = 1 << 17;

/// A depthwise convolution of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depthwise {
    pub(super) input: MapShape,
    pub(super) output: MapShape,
    pub(super) window: Window,
}

/// Filters as kernels of plans take them: vectors of channels, in each the taps.
struct Packed {
    weights: Vec<f32>,
    bias: Vec<f32>,
    kernel: (usize, usize),
}

impl Packed {
    /// From `[c, taps]`, whose taps come in reverse where `around`.
    fn new(
        isa: AnyIsa,
        weights: &[f32],
        bias: Option<&[f32]>,
        (channels, kernel): (usize, (usize, usize)),
        around: bool,
    ) -> Self {
        let (lanes, taps) = (isa.lanes(), kernel.0 * kernel.1);
        let padded = channels.next_multiple_of(lanes);
        let mut packed =
            Self { weights: vec![0.0; padded * taps], bias: vec![0.0; padded], kernel };
        for (channel, filter) in weights.chunks_exact(taps).enumerate() {
            match around {
                true => place_filter(lanes, channel, filter.iter().rev(), &mut packed.weights),
                false => place_filter(lanes, channel, filter.iter(), &mut packed.weights),
            }
        }
        if let Some(bias) = bias {
            packed.bias[..channels].copy_from_slice(bias);
        }
        packed
    }
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

/// Calls `work` with the picture and the rows in it for each share of the rows of `map`, of which
/// one costs `row_work`.
fn in_shares(map: MapShape, row_work: usize, work: impl Fn(usize, std::ops::Range<usize>) + Sync) {
    let rows = map.batch * map.height;
    let tasks = (rows * row_work).div_ceil(TASK_WORK).clamp(1, rows.max(1));
    (0..tasks).into_par_iter().for_each(|task| {
        let mut share = share(rows, task, tasks);
        while !share.is_empty() {
            let (picture, first) = (share.start / map.height, share.start % map.height);
            let last = map.height.min(first + share.len());
            work(picture, first..last);
            share.start += last - first;
        }
    });
}

impl Depthwise {
    fn taps(&self) -> usize {
        self.window.kernel.0 * self.window.kernel.1
    }

    /// `weights` are `[c, kh, kw]`.
    pub(super) fn forward(
        &self,
        isa: AnyIsa,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let shape = (self.input.channels, self.window.kernel);
        let filters = Packed::new(isa, weights, bias, shape, false);
        self.convolve(isa, x, &filters, y);
    }

    /// The gradient of the input from that of the output; `weights` are `[c, kh, kw]`.
    pub(super) fn grad_input(&self, isa: AnyIsa, dy: &[f32], weights: &[f32], dx: &mut [f32]) {
        let Self { input, output, window } = *self;
        if window.stride > 1 {
            return self.grad_input_strided(isa, dy, &transposed(weights, input.channels), dx);
        }
        let shape = (input.channels, window.kernel);
        let filters = Packed::new(isa, weights, None, shape, true);
        let (high, wide) = window.reach();
        let padding = (high - 1 - window.padding.0, wide - 1 - window.padding.1);
        let around = Self { input: output, output: input, window: Window { padding, ..window } };
        around.convolve(isa, dy, &filters, dx);
    }

    fn convolve(&self, isa: AnyIsa, x: &[f32], filters: &Packed, y: &mut [f32]) {
        let Self { input, output, window } = *self;
        debug_assert_eq!((x.len(), y.len()), (input.len(), output.len()));
        let to = Span::new(y);
        in_shares(output, output.width * output.channels * self.taps(), |picture, rows| {
            // SAFETY: both maps have this picture, and no other share has these rows of it.
            let y = unsafe { to.pointer().add(picture * output.picture_len()) };
            isa.run(Rows {
                x: x[picture * input.picture_len()..].as_ptr(),
                y,
                channels: input.channels,
                input: input.size(),
                output: output.size(),
                padding: window.padding,
                dilation: window.dilation,
                filter: Filter {
                    weights: filters.weights.as_ptr(),
                    bias: filters.bias.as_ptr(),
                    kernel: filters.kernel,
                    stride: window.stride,
                },
                activation: Activation::Identity,
                rows,
                vectors: 0..input.channels.div_ceil(isa.lanes()),
            });
        });
    }

    /// Adds to `dw` `[c, taps]` the gradient of the filters.
    pub(super) fn grad_weights(&self, isa: AnyIsa, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let Self { input, output, .. } = *self;
        let len = dw.len();
        let work = output.picture_len() * self.taps() * input.batch;
        let parts = PARTS.min(input.batch).min(work.div_ceil(TASK_WORK)).max(1);
        let mut partial = vec![0.0; parts * len];
        let to = Span::new(&mut partial);
        (0..parts).into_par_iter().for_each(|number| {
            // SAFETY: each part has sums of its own.
            let sums = unsafe { to.slice(number * len..(number + 1) * len) };
            for picture in share(input.batch, number, parts) {
                let x = &x[picture * input.picture_len()..][..input.picture_len()];
                let dy = &dy[picture * output.picture_len()..][..output.picture_len()];
                isa.run(filters::GradWeights { shape: self, x, dy, sums });
            }
        });
        let mut total = vec![0.0; len];
        for part in partial.chunks_exact(len.max(1)) {
            for (total, part) in total.iter_mut().zip(part) {
                *total += part;
            }
        }
        for (dw, total) in dw.iter_mut().zip(transposed(&total, self.taps())) {
            *dw += total;
        }
    }
}
