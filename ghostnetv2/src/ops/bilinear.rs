//! Bilinear resampling to any size, with a gradient that accumulates: two values on each axis,
//! however much it shrinks.
//!
//! # Source
//! `interpolate(mode="bilinear")`; `UpSample.h` of PyTorch's ATen.

#[cfg(feature = "cuda")]
use super::cuda::maps::{self, Map};
use super::planewise::{self, PlaneOp};
#[cfg(feature = "cuda")]
use crate::gpu::Geometry;
#[cfg(feature = "cuda")]
use candle::{CudaStorage, Shape};
use candle::{Result, Tensor, bail};
use std::sync::Arc;

/// The two values of an axis that a value is mixed of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BilinearTaps {
    /// Place of one.
    pub first: usize,
    /// Place of the other: the next one, or the same at the end.
    pub second: usize,
    /// The share of the second; the first has the rest of 1.
    pub share: f32,
}

impl BilinearTaps {
    #[inline(always)]
    fn mix(&self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.share) + second * self.share
    }
}

/// The taps of all `to` values of an axis that had `from` of them, which is at least 1.
///
/// With `align_corners` the centres of the outermost values stay where they are; without, values
/// are areas.
pub fn bilinear_taps(from: usize, to: usize, align_corners: bool) -> Vec<BilinearTaps> {
    let last = from.saturating_sub(1);
    let scale = match align_corners {
        false => from as f32 / to as f32,
        true if to > 1 => last as f32 / (to - 1) as f32,
        true => 0.0,
    };
    let tap = |i: usize| {
        let place = match align_corners {
            true => scale * i as f32,
            false => (scale * (i as f32 + 0.5) - 0.5).max(0.0),
        };
        let first = (place as usize).min(last);
        let second = (first + 1).min(last);
        BilinearTaps { first, second, share: (place - first as f32).clamp(0.0, 1.0) }
    };
    (0..to).map(tap).collect()
}

/// Resizes maps by mixing the four values around, as PyTorch's `interpolate(mode="bilinear")`.
/// candle's own operation has no gradient.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, OH, OW]`.
///
/// # Errors
/// An empty input map.
pub fn upsample_bilinear2d(
    x: &Tensor,
    (oh, ow): (usize, usize),
    align_corners: bool,
) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h == 0 || w == 0 {
        bail!("upsample_bilinear2d: a {h}x{w} map has no value to take")
    }
    if (h, w) == (oh, ow) {
        return Ok(x.clone());
    }
    let (rows, columns) =
        (bilinear_taps(h, oh, align_corners), bilinear_taps(w, ow, align_corners));
    if planewise::takes(x) {
        let op = Bilinear {
            from: (h, w),
            rows: rows.into(),
            columns: columns.into(),
            #[cfg(feature = "cuda")]
            align_corners,
        };
        return planewise::apply(op, x);
    }
    along(&along(x, 2, &rows)?, 3, &columns)
}

fn along(x: &Tensor, axis: usize, taps: &[BilinearTaps]) -> Result<Tensor> {
    let x = x.contiguous()?;
    let values = |index: fn(&BilinearTaps) -> usize| {
        let indices: Vec<u32> = taps.iter().map(|taps| index(taps) as u32).collect();
        x.index_select(&Tensor::from_vec(indices, taps.len(), x.device())?, axis)
    };
    let (first, second) = (values(|taps| taps.first)?, values(|taps| taps.second)?);
    let mut shape = [1; 4];
    shape[axis] = taps.len();
    let share = |share: fn(&BilinearTaps) -> f32| {
        let shares: Vec<f32> = taps.iter().map(share).collect();
        Tensor::from_vec(shares, &shape, x.device())?.to_dtype(x.dtype())
    };
    let (near, far) = (share(|taps| 1.0 - taps.share)?, share(|taps| taps.share)?);
    first.broadcast_mul(&near)? + second.broadcast_mul(&far)?
}

#[derive(Clone)]
struct Bilinear {
    from: (usize, usize),
    rows: Arc<[BilinearTaps]>,
    columns: Arc<[BilinearTaps]>,
    /// What the taps were made of: a GPU makes its own.
    #[cfg(feature = "cuda")]
    align_corners: bool,
}

impl PlaneOp for Bilinear {
    const NAME: &'static str = "upsample-bilinear2d";

    fn input(&self) -> (usize, usize) {
        self.from
    }

    fn output(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let width = self.from.1;
        for (row, y) in self.rows.iter().zip(y.chunks_exact_mut(self.columns.len())) {
            let (upper, lower) =
                (&x[row.first * width..][..width], &x[row.second * width..][..width]);
            for (column, y) in self.columns.iter().zip(y) {
                let along = |line: &[f32]| column.mix(line[column.first], line[column.second]);
                *y = row.mix(along(upper), along(lower));
            }
        }
    }

    fn backward(&self, grad_y: &[f32], grad_x: &mut [f32]) {
        let width = self.from.1;
        let mut mixed = vec![0f32; width];
        for (row, grad_y) in self.rows.iter().zip(grad_y.chunks_exact(self.columns.len())) {
            mixed.fill(0.0);
            for (column, grad) in self.columns.iter().zip(grad_y) {
                mixed[column.first] += grad * (1.0 - column.share);
                mixed[column.second] += grad * column.share;
            }
            for (place, share) in [(row.first, 1.0 - row.share), (row.second, row.share)] {
                for (grad, mixed) in grad_x[place * width..][..width].iter_mut().zip(&mixed) {
                    *grad += share * mixed;
                }
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_forward(&self, x: Map) -> Result<(CudaStorage, Shape)> {
        let geometry = Geometry::sizes(1, self.from, self.output())?;
        let corners = usize::from(self.align_corners);
        maps::resize("bilinear_forward", x, self.output(), geometry, &[corners])
    }

    #[cfg(feature = "cuda")]
    fn cuda_backward(&self, grad_y: Map) -> Result<(CudaStorage, Shape)> {
        let geometry = Geometry::sizes(1, self.from, self.output())?;
        let corners = usize::from(self.align_corners);
        maps::resize("bilinear_grad", grad_y, self.from, geometry, &[corners])
    }
}
