//! Nearest upsampling to any size, with a gradient that accumulates.

#[cfg(feature = "cuda")]
use super::cuda::maps::{self, Map};
use super::planewise::{self, PlaneOp};
#[cfg(feature = "cuda")]
use crate::gpu::Geometry;
#[cfg(feature = "cuda")]
use candle::{CudaStorage, Shape};
use candle::{Device, Result, Tensor, bail};

/// Resizes by repeating the nearest pixel: output `i` reads input `floor(i * in / out)`, as
/// PyTorch's `interpolate(mode="nearest")`.
///
/// candle's own operation refuses gradients for ratios such as 3 → 7, and overwrites those of
/// a map that is used twice; this does neither.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, OH, OW]`.
///
/// # Errors
/// An empty input map.
pub fn upsample_nearest2d(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h == 0 || w == 0 {
        bail!("upsample_nearest2d: a {h}x{w} map has no pixel to repeat")
    }
    if planewise::takes(x) {
        return planewise::apply(Nearest { from: (h, w), to: (oh, ow) }, x);
    }
    let mut y = x.contiguous()?;
    for (dim, from, to) in [(2, h, oh), (3, w, ow)] {
        if from != to {
            y = y.index_select(&sources(from, to, x.device())?, dim)?;
        }
    }
    Ok(y)
}

fn sources(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let sources = (0..to).map(|i| source(i, from, to) as u32).collect::<Vec<_>>();
    Tensor::from_vec(sources, to, device)
}

fn source(i: usize, from: usize, to: usize) -> usize {
    i * from / to
}

#[derive(Clone, Copy)]
struct Nearest {
    from: (usize, usize),
    to: (usize, usize),
}

impl PlaneOp for Nearest {
    const NAME: &'static str = "upsample-nearest2d";

    fn input(&self) -> (usize, usize) {
        self.from
    }

    fn output(&self) -> (usize, usize) {
        self.to
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let ((h, w), (oh, ow)) = (self.from, self.to);
        for oy in 0..oh {
            let row = source(oy, h, oh);
            let (done, rest) = y.split_at_mut(oy * ow);
            if oy > 0 && row == source(oy - 1, h, oh) {
                rest[..ow].copy_from_slice(&done[(oy - 1) * ow..]);
                continue;
            }
            let x = &x[row * w..][..w];
            for (ox, y) in rest[..ow].iter_mut().enumerate() {
                *y = x[source(ox, w, ow)];
            }
        }
    }

    fn backward(&self, grad_y: &[f32], grad_x: &mut [f32]) {
        let ((h, w), (oh, ow)) = (self.from, self.to);
        for (oy, grad_y) in grad_y.chunks_exact(ow).enumerate() {
            let grad_x = &mut grad_x[source(oy, h, oh) * w..][..w];
            for (ox, grad) in grad_y.iter().enumerate() {
                grad_x[source(ox, w, ow)] += grad;
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_forward(&self, x: Map) -> Result<(CudaStorage, Shape)> {
        let geometry = Geometry::sizes(1, self.from, self.to)?;
        maps::resize("nearest_forward", x, self.to, geometry, &[])
    }

    #[cfg(feature = "cuda")]
    fn cuda_backward(&self, grad_y: Map) -> Result<(CudaStorage, Shape)> {
        let geometry = Geometry::sizes(1, self.from, self.to)?;
        maps::resize("nearest_grad", grad_y, self.from, geometry, &[])
    }
}
