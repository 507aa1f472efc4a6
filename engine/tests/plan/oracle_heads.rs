//! What only heads have, written down plainly.

use engine::plan::{Interpolation, Window};

use crate::oracle::{Map, Parameters, output_size};

impl Map {
    /// Means of windows: sums over the padded map, divided by pixels that count.
    pub(crate) fn avg_pool(&self, window: Window, count_padding: bool) -> Self {
        let size = output_size(window, self.size).expect("tests ask for windows that fit");
        Self::new(self.channels, size, |c, y, x| {
            let (mut sum, mut pixels) = (0.0, 0);
            for tap in 0..window.kernel.0 * window.kernel.1 {
                let row = y * window.stride + tap / window.kernel.1;
                let column = x * window.stride + tap % window.kernel.1;
                let (row, column) =
                    (row.wrapping_sub(window.padding.0), column.wrapping_sub(window.padding.1));
                let inside = row < self.size.0 && column < self.size.1;
                pixels += usize::from(inside || count_padding);
                sum += if inside { self.at(c, row, column) } else { 0.0 };
            }
            sum / pixels as f64
        })
    }

    /// A map of another size, as PyTorch's `interpolate` has it.
    pub(crate) fn resize(&self, size: (usize, usize), interpolation: Interpolation) -> Self {
        let around = |i: usize, from: usize, to: usize| {
            let ratio = from as f64 / to as f64;
            let position = match interpolation {
                // PyTorch rounds the ratio to `f32`, which can matter at whole numbers.
                Interpolation::Nearest => {
                    let nearest = ((i as f32 * (from as f32 / to as f32)) as usize).min(from - 1);
                    return (nearest, nearest, 0.0);
                }
                Interpolation::Bilinear => (ratio * (i as f64 + 0.5) - 0.5).max(0.0),
                Interpolation::BilinearCorners if to == 1 => 0.0,
                Interpolation::BilinearCorners => (i * (from - 1)) as f64 / (to - 1) as f64,
            };
            let first = (position as usize).min(from - 1);
            (first, (first + 1).min(from - 1), position - first as f64)
        };
        Self::new(self.channels, size, |c, y, x| {
            let (top, bottom, below) = around(y, self.size.0, size.0);
            let (left, right, beside) = around(x, self.size.1, size.1);
            let row = |y| self.at(c, y, left) * (1.0 - beside) + self.at(c, y, right) * beside;
            row(top) * (1.0 - below) + row(bottom) * below
        })
    }

    /// Mean 0 and variance 1 over each group of channels, then a factor and a summand for each.
    pub(crate) fn group_norm(&self, groups: usize, affine: &Parameters, epsilon: f32) -> Self {
        let len = self.values.len() / groups;
        let moments: Vec<(f64, f64)> = self
            .values
            .chunks_exact(len)
            .map(|values| {
                let mean = values.iter().sum::<f64>() / len as f64;
                let squares = values.iter().map(|value| (value - mean).powi(2));
                (mean, squares.sum::<f64>() / len as f64)
            })
            .collect();
        Self::new(self.channels, self.size, |c, y, x| {
            let (mean, variance) = moments[c / (self.channels / groups)];
            let normal = (self.at(c, y, x) - mean) / (variance + f64::from(epsilon)).sqrt();
            normal * f64::from(affine.weights[c]) + f64::from(affine.bias[c])
        })
    }
}
