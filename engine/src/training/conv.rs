//! Dense convolution of maps with the channels innermost, and its gradients: the windows are laid
//! out as rows of a matrix, some pictures at a time.

use rayon::prelude::*;

use super::map::MapShape;
use super::product::{Packed, multiply_transposed};
use crate::isa::AnyIsa;
use crate::plan::Window;

/// Elements of windows that are laid out at a time, if a picture has no more.
const COLUMNS_LEN: usize = 1 << 20;

/// A dense convolution of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dense {
    pub(super) input: MapShape,
    pub(super) output: MapShape,
    pub(super) window: Window,
}

impl Dense {
    /// Factors of each output.
    fn factors(&self) -> usize {
        let (kh, kw) = self.window.kernel;
        kh * kw * self.input.channels
    }

    /// Whether the windows are the pixels themselves.
    fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.window;
        (kernel, stride, padding) == ((1, 1), 1, (0, 0))
    }

    /// Pictures whose windows are laid out at a time.
    fn group(&self) -> usize {
        let len = self.output.height * self.output.width * self.factors();
        (COLUMNS_LEN / len.max(1)).clamp(1, self.input.batch.max(1))
    }

    /// `weights` are `[outputs, channels, kh, kw]`.
    pub(super) fn forward(
        &self,
        isa: AnyIsa,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let outputs = self.output.channels;
        if self.is_pointwise() {
            return Packed::of_rows(isa, weights, outputs, bias).multiply(x, y);
        }
        let packed = Packed::of_rows(isa, &self.channels_last(weights), outputs, bias);
        self.in_groups(|pictures| {
            let columns = self.columns(x, pictures.clone());
            let len = self.output.picture_len();
            packed.multiply(&columns, &mut y[pictures.start * len..pictures.end * len]);
        });
    }

    /// The gradient of the input from that of the output.
    pub(super) fn grad_input(&self, isa: AnyIsa, dy: &[f32], weights: &[f32], dx: &mut [f32]) {
        let outputs = self.output.channels;
        if self.is_pointwise() {
            return Packed::of_columns(isa, weights, outputs).multiply(dy, dx);
        }
        let packed = Packed::of_columns(isa, &self.channels_last(weights), outputs);
        self.in_groups(|pictures| {
            let len = self.output.picture_len();
            let dy = &dy[pictures.start * len..pictures.end * len];
            let mut columns = vec![0.0; dy.len() / outputs.max(1) * self.factors()];
            packed.multiply(dy, &mut columns);
            let len = self.input.picture_len();
            let dx = &mut dx[pictures.start * len..pictures.end * len];
            let each = columns.len() / pictures.len().max(1);
            let pictures = dx.par_chunks_mut(len.max(1)).zip(columns.par_chunks(each.max(1)));
            pictures.for_each(|(dx, columns)| self.fold(columns, dx));
        });
    }

    /// Adds to `dw` the gradient of the weights.
    pub(super) fn grad_weights(&self, isa: AnyIsa, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let outputs = self.output.channels;
        if self.is_pointwise() {
            return multiply_transposed(isa, dy, x, outputs, dw);
        }
        let mut sums = vec![0.0; dw.len()];
        self.in_groups(|pictures| {
            let columns = self.columns(x, pictures.clone());
            let len = self.output.picture_len();
            let dy = &dy[pictures.start * len..pictures.end * len];
            multiply_transposed(isa, dy, &columns, outputs, &mut sums);
        });
        let (channels, taps) = (self.input.channels, sums.len() / outputs / self.input.channels);
        let filters = dw.chunks_exact_mut(taps * channels).zip(sums.chunks_exact(taps * channels));
        for (dw, sums) in filters {
            for (tap, sums) in sums.chunks_exact(channels).enumerate() {
                for (dw, sum) in dw[tap..].iter_mut().step_by(taps).zip(sums) {
                    *dw += sum;
                }
            }
        }
    }

    fn in_groups(&self, mut work: impl FnMut(std::ops::Range<usize>)) {
        let group = self.group();
        for first in (0..self.input.batch).step_by(group) {
            work(first..self.input.batch.min(first + group));
        }
    }

    /// `[outputs, channels, taps]` as `[outputs, taps, channels]`, as windows lie in memory.
    fn channels_last(&self, weights: &[f32]) -> Vec<f32> {
        let channels = self.input.channels;
        let len = self.factors();
        let taps = len / channels.max(1);
        let mut to = vec![0.0; weights.len()];
        for (to, from) in to.chunks_exact_mut(len.max(1)).zip(weights.chunks_exact(len.max(1))) {
            for (channel, from) in from.chunks_exact(taps).enumerate() {
                for (to, value) in to[channel..].iter_mut().step_by(channels).zip(from) {
                    *to = *value;
                }
            }
        }
        to
    }

    /// The windows of some pictures, a row for each output pixel.
    fn columns(&self, x: &[f32], pictures: std::ops::Range<usize>) -> Vec<f32> {
        let row_len = self.output.width * self.factors();
        let height = self.output.height;
        let mut columns = vec![0.0; pictures.len() * height * row_len];
        columns.par_chunks_mut(row_len.max(1)).enumerate().for_each(|(row, columns)| {
            let picture = pictures.start + row / height;
            let len = self.input.picture_len();
            let x = &x[picture * len..][..len];
            for (ox, window) in columns.chunks_exact_mut(self.factors()).enumerate() {
                self.each_tap((row % height, ox), |tap, at| {
                    let channels = self.input.channels;
                    window[tap * channels..][..channels]
                        .copy_from_slice(&x[at * channels..][..channels]);
                });
            }
        });
        columns
    }

    /// The picture that adds up from the windows of its pixels.
    fn fold(&self, columns: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let channels = self.input.channels;
        for (pixel, window) in columns.chunks_exact(self.factors()).enumerate() {
            let place = (pixel / self.output.width, pixel % self.output.width);
            self.each_tap(place, |tap, at| {
                let window = &window[tap * channels..][..channels];
                for (dx, value) in dx[at * channels..][..channels].iter_mut().zip(window) {
                    *dx += value;
                }
            });
        }
    }

    /// Calls `work` with each tap of an output pixel that is on the map, and its pixel there.
    fn each_tap(&self, (oy, ox): (usize, usize), mut work: impl FnMut(usize, usize)) {
        let Window { kernel: (kh, kw), stride, padding, dilation } = self.window;
        let (height, width) = self.input.size();
        for ky in 0..kh {
            let Some(y) = (oy * stride + ky * dilation).checked_sub(padding.0) else { continue };
            if y >= height {
                break;
            }
            for kx in 0..kw {
                let x = (ox * stride + kx * dilation).checked_sub(padding.1);
                if let Some(x) = x.filter(|x| *x < width) {
                    work(ky * kw + kx, y * width + x);
                }
            }
        }
    }
}
