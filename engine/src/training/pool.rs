//! Means over windows and over whole maps, and their gradients.

use std::ops::Range;

use rayon::prelude::*;

use super::map::MapShape;
use crate::nhwc::depthwise::rows_under;
use crate::plan::Window;

/// Means over windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct AvgPool {
    pub(super) input: MapShape,
    pub(super) output: MapShape,
    pub(super) window: Window,
    /// Whether the zeros of the padding are pixels too.
    pub(super) count_padding: bool,
}

impl AvgPool {
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let pictures = y.par_chunks_mut(self.output.picture_len().max(1));
        pictures.zip(x.par_chunks(self.input.picture_len().max(1))).for_each(|(y, x)| {
            y.fill(0.0);
            let channels = self.input.channels;
            for (pixel, y) in y.chunks_exact_mut(channels).enumerate() {
                let (rows, columns, share) = self.under(pixel);
                for at in pixels(rows, columns, self.input.width) {
                    for (y, x) in y.iter_mut().zip(&x[at * channels..][..channels]) {
                        *y += share * x;
                    }
                }
            }
        });
    }

    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32]) {
        let pictures = dx.par_chunks_mut(self.input.picture_len().max(1));
        pictures.zip(dy.par_chunks(self.output.picture_len().max(1))).for_each(|(dx, dy)| {
            dx.fill(0.0);
            let channels = self.input.channels;
            for (pixel, dy) in dy.chunks_exact(channels).enumerate() {
                let (rows, columns, share) = self.under(pixel);
                for at in pixels(rows, columns, self.input.width) {
                    for (dx, dy) in dx[at * channels..][..channels].iter_mut().zip(dy) {
                        *dx += share * dy;
                    }
                }
            }
        });
    }

    /// Rows and columns of the map under the window of an output, and the share of each pixel.
    fn under(&self, pixel: usize) -> (Range<usize>, Range<usize>, f32) {
        let Window { kernel: (kh, kw), stride, padding, .. } = self.window;
        let (oy, ox) = (pixel / self.output.width, pixel % self.output.width);
        let (rows, _) = rows_under(oy, kh, stride, padding.0, self.input.height);
        let (columns, _) = rows_under(ox, kw, stride, padding.1, self.input.width);
        let count = if self.count_padding { kh * kw } else { rows.len() * columns.len() };
        (rows, columns, 1.0 / count.max(1) as f32)
    }
}

fn pixels(rows: Range<usize>, columns: Range<usize>, width: usize) -> impl Iterator<Item = usize> {
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// The mean of all pixels of each picture: `x` is of `shape`, `y` `[batch, channels]`.
pub(super) fn global_mean(shape: MapShape, x: &[f32], y: &mut [f32]) {
    let scale = 1.0 / (shape.height * shape.width).max(1) as f32;
    let pictures = y.par_chunks_mut(shape.channels.max(1));
    pictures.zip(x.par_chunks(shape.picture_len().max(1))).for_each(|(y, x)| {
        y.fill(0.0);
        for x in x.chunks_exact(shape.channels) {
            for (y, x) in y.iter_mut().zip(x) {
                *y += x;
            }
        }
        for y in y {
            *y *= scale;
        }
    });
}

/// The gradient of a map of `shape` from that of its means.
pub(super) fn global_mean_backward(shape: MapShape, dy: &[f32], dx: &mut [f32]) {
    let scale = 1.0 / (shape.height * shape.width).max(1) as f32;
    let pictures = dx.par_chunks_mut(shape.picture_len().max(1));
    pictures.zip(dy.par_chunks(shape.channels.max(1))).for_each(|(dx, dy)| {
        for dx in dx.chunks_exact_mut(shape.channels) {
            for (dx, dy) in dx.iter_mut().zip(dy) {
                *dx = scale * dy;
            }
        }
    });
}
