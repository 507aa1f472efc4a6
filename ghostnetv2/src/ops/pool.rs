//! Average pooling with right gradients at odd sizes.

#[cfg(feature = "cuda")]
use super::cuda::maps::{self, Map};
use super::planewise::{self, PlaneOp};
#[cfg(feature = "cuda")]
use crate::gpu::Geometry;
#[cfg(feature = "cuda")]
use candle::{CudaStorage, Shape};
use candle::{D, Result, Tensor, bail};

/// Mean of 2x2 windows at stride 2; an odd last row or column is left out, as PyTorch does.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, H / 2, W / 2]`.
///
/// # Errors
/// A side shorter than 2 pixels.
pub fn avg_pool2x2(x: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h < 2 || w < 2 {
        bail!("avg_pool2x2: a {h}x{w} map: expected at least 2x2")
    }
    if planewise::takes(x) {
        return planewise::apply(AvgPool2x2 { h, w }, x);
    }
    // candle's own gradient spreads over the last row too: it never gets to see an odd one.
    x.narrow(2, 0, h / 2 * 2)?.narrow(3, 0, w / 2 * 2)?.avg_pool2d(2)
}

#[derive(Clone, Copy)]
struct AvgPool2x2 {
    h: usize,
    w: usize,
}

#[cfg(feature = "cuda")]
impl AvgPool2x2 {
    fn geometry(self) -> Result<Geometry> {
        let halved = (self.h / 2, self.w / 2);
        Geometry::new(1, [(self.h, self.w), halved, (2, 2), (2, 2), (0, 0), (1, 1)])
    }
}

impl PlaneOp for AvgPool2x2 {
    const NAME: &'static str = "avg-pool-2x2";

    fn input(&self) -> (usize, usize) {
        (self.h, self.w)
    }

    fn output(&self) -> (usize, usize) {
        (self.h / 2, self.w / 2)
    }

    fn forward(&self, x: &[f32], y: &mut [f32]) {
        for (rows, y) in x.chunks_exact(2 * self.w).zip(y.chunks_exact_mut(self.w / 2)) {
            let (upper, lower) = rows.split_at(self.w);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for ((upper, lower), y) in pairs.zip(y) {
                *y = 0.25 * (upper[0] + upper[1] + lower[0] + lower[1]);
            }
        }
    }

    fn backward(&self, grad_y: &[f32], grad_x: &mut [f32]) {
        let rows = grad_x.chunks_exact_mut(2 * self.w);
        for (rows, grad_y) in rows.zip(grad_y.chunks_exact(self.w / 2)) {
            for row in rows.chunks_exact_mut(self.w) {
                for (pair, grad) in row.chunks_exact_mut(2).zip(grad_y) {
                    pair.fill(0.25 * grad);
                }
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_forward(&self, x: Map) -> Result<(CudaStorage, Shape)> {
        maps::avg_pool("avg_pool_forward", x, self.output(), self.geometry()?)
    }

    #[cfg(feature = "cuda")]
    fn cuda_backward(&self, grad_y: Map) -> Result<(CudaStorage, Shape)> {
        maps::avg_pool("avg_pool_grad", grad_y, self.input(), self.geometry()?)
    }
}

/// Mean over all pixels.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, 1, 1]`.
///
/// # Errors
/// Fewer than two axes.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if x.rank() == 4 && super::on_gpu(&[x]) {
        return x.contiguous()?.apply_op1(gpu::PlaneMean);
    }
    x.mean_keepdim((D::Minus2, D::Minus1))
}

#[cfg(feature = "cuda")]
mod gpu {
    use super::super::cuda::{maps, only_on_a_gpu};
    use candle::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor};

    /// `x → y`.
    pub(super) struct PlaneMean;
    /// `grad of y → grad of x`, of this height and width.
    struct PlaneMeanGrad(usize, usize);

    impl CustomOp1 for PlaneMean {
        fn name(&self) -> &'static str {
            "global-avg-pool"
        }

        fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
            only_on_a_gpu()
        }

        fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
            maps::plane_mean((x, layout))
        }

        fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
            let (_, _, h, w) = x.dims4()?;
            grad.contiguous()?.apply_op1_no_bwd(&PlaneMeanGrad(h, w)).map(Some)
        }
    }

    impl CustomOp1 for PlaneMeanGrad {
        fn name(&self) -> &'static str {
            "global-avg-pool-backward"
        }

        fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
            only_on_a_gpu()
        }

        fn cuda_fwd(&self, grad: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
            maps::plane_mean_grad((grad, layout), (self.0, self.1))
        }
    }
}
