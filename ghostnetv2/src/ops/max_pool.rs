//! Max pooling with right gradients where windows overlap and sizes are odd.

#[cfg(feature = "cuda")]
use super::cuda::maps;
use super::planewise::takes;
#[cfg(feature = "cuda")]
use crate::gpu::Geometry;
#[cfg(feature = "cuda")]
use candle::CudaStorage;
use candle::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Largest values of windows, which may reach over the edges by `padding`.
///
/// Of equal values the first in a window gets the gradient, as in PyTorch. candle's own operation
/// takes no padding, and its gradient is for windows that do not overlap.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, (H + 2 * padding.0 - kernel.0) / stride + 1, …]`.
///
/// # Errors
/// A window that does not fit, a stride of 0, padding of more than half a window.
///
/// # Source
/// `torch.nn.functional.max_pool2d` with `ceil_mode=False`.
pub fn max_pool2d(
    x: &Tensor,
    kernel: (usize, usize),
    stride: usize,
    padding: (usize, usize),
) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let pool = MaxPool::new((h, w), kernel, stride, padding)?;
    let x = x.contiguous()?;
    if takes(&x) {
        return x.apply_op1(Forward(pool));
    }
    pool.gathered(&x)
}

#[derive(Clone, Copy)]
struct MaxPool {
    from: (usize, usize),
    to: (usize, usize),
    kernel: (usize, usize),
    stride: usize,
    padding: (usize, usize),
}

impl MaxPool {
    fn new(
        from: (usize, usize),
        kernel: (usize, usize),
        stride: usize,
        padding: (usize, usize),
    ) -> Result<Self> {
        let along = |n: usize, k: usize, p: usize| {
            let fits = n > 0 && k > 0 && stride > 0 && p <= k / 2 && n + 2 * p >= k;
            fits.then(|| (n + 2 * p - k) / stride + 1)
        };
        match (along(from.0, kernel.0, padding.0), along(from.1, kernel.1, padding.1)) {
            (Some(oh), Some(ow)) => Ok(Self { from, to: (oh, ow), kernel, stride, padding }),
            _ => bail!(
                "max_pool2d: a {kernel:?} window with stride {stride} and padding {padding:?} does \
                 not fit a map of {from:?}: expected a stride of at least 1, and padding of at \
                 most half the window"
            ),
        }
    }

    /// What kernels on a GPU are told.
    #[cfg(feature = "cuda")]
    fn geometry(&self) -> Result<Geometry> {
        let stride = (self.stride, self.stride);
        Geometry::new(1, [self.from, self.to, self.kernel, stride, self.padding, (1, 1)])
    }

    /// The rows, or columns, that window `i` covers.
    fn covered(&self, i: usize, (n, k, p): (usize, usize, usize)) -> std::ops::Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(p)..(start + k).saturating_sub(p).min(n)
    }

    /// Calls `found` with the number of each window and the place of its largest value.
    fn largest(&self, x: &[f32], mut found: impl FnMut(usize, usize)) {
        for oy in 0..self.to.0 {
            let rows = self.covered(oy, (self.from.0, self.kernel.0, self.padding.0));
            for ox in 0..self.to.1 {
                let columns = self.covered(ox, (self.from.1, self.kernel.1, self.padding.1));
                let mut best = rows.start * self.from.1 + columns.start;
                for y in rows.clone() {
                    for place in columns.clone().map(|x| y * self.from.1 + x) {
                        // A value that is no number wins, as in PyTorch.
                        if x[place] > x[best] || (x[place].is_nan() && !x[best].is_nan()) {
                            best = place;
                        }
                    }
                }
                found(oy * self.to.1 + ox, best);
            }
        }
    }

    /// The same with candle's operations: the values at the places that a copy on the host tells.
    fn gathered(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let values = x.detach().to_dtype(candle::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let (oh, ow) = self.to;
        let mut places = vec![0u32; b * c * oh * ow];
        for (places, x) in places.chunks_exact_mut(oh * ow).zip(values.chunks_exact(h * w)) {
            self.largest(x, |window, place| places[window] = place as u32);
        }
        let places = Tensor::from_vec(places, (b * c, oh * ow), x.device())?;
        x.reshape((b * c, h * w))?.gather(&places, 1)?.reshape((b, c, oh, ow))
    }
}

struct Forward(MaxPool);
struct Backward(MaxPool);

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("max-pool: expected a contiguous tensor"),
    }
}

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, c, h, w) = layout.shape().dims4()?;
        let (oh, ow) = self.0.to;
        let mut y = vec![0f32; b * c * oh * ow];
        let planes =
            y.par_chunks_exact_mut(oh * ow).zip(contiguous(x, layout)?.par_chunks_exact(h * w));
        planes.for_each(|(y, x)| self.0.largest(x, |window, place| y[window] = x[place]));
        Ok((CpuStorage::F32(y), Shape::from((b, c, oh, ow))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        maps::max_pool("max_pool_forward", &[(x, layout)], self.0.to, self.0.geometry()?)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2_no_bwd(&grad.contiguous()?, &Backward(self.0)).map(Some)
    }
}

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "max-pool2d-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad) = (contiguous(x, x_layout)?, contiguous(grad, grad_layout)?);
        let ((h, w), (oh, ow)) = (self.0.from, self.0.to);
        let mut grad_x = vec![0f32; x.len()];
        let planes = x.par_chunks_exact(h * w).zip(grad.par_chunks_exact(oh * ow));
        grad_x.par_chunks_exact_mut(h * w).zip(planes).for_each(|(grad_x, (x, grad))| {
            self.0.largest(x, |window, place| grad_x[place] += grad[window]);
        });
        Ok((CpuStorage::F32(grad_x), x_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let operands = [(x, x_layout), (grad, grad_layout)];
        maps::max_pool("max_pool_grad", &operands, self.0.from, self.0.geometry()?)
    }
}
