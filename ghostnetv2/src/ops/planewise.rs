//! Linear operations on each `[H, W]` plane by itself, as differentiable candle operations.

#[cfg(feature = "cuda")]
use super::cuda::maps::Map;
use super::on_gpu;
#[cfg(feature = "cuda")]
use candle::CudaStorage;
use candle::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Planes together of at least this many elements are worth a task of their own.
const TASK_ELEMENTS: usize = 1 << 15;

/// What happens to a plane.
pub(super) trait PlaneOp: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    /// Height and width of the input.
    fn input(&self) -> (usize, usize);

    /// Height and width of the output.
    fn output(&self) -> (usize, usize);

    /// Writes all of `y`.
    fn forward(&self, x: &[f32], y: &mut [f32]);

    /// Adds to `grad_x`, which is zero, what `grad_y` means for it.
    fn backward(&self, grad_y: &[f32], grad_x: &mut [f32]);

    /// The forward pass of all planes of `x`, on a GPU.
    #[cfg(feature = "cuda")]
    fn cuda_forward(&self, x: Map) -> Result<(CudaStorage, Shape)>;

    /// The backward pass of all planes of the gradient of `y`, on a GPU.
    #[cfg(feature = "cuda")]
    fn cuda_backward(&self, grad_y: Map) -> Result<(CudaStorage, Shape)>;
}

/// Whether [`apply`] can take a tensor.
pub(super) fn takes(x: &Tensor) -> bool {
    (x.device().is_cpu() && x.dtype() == DType::F32) || on_gpu(&[x])
}

/// `[B, C, H, W]` → `[B, C, OH, OW]` on the CPU in f32, or on a GPU.
pub(super) fn apply<P: PlaneOp>(op: P, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Forward(op))
}

struct Forward<P>(P);
struct Backward<P>(P);

impl<P: PlaneOp> CustomOp1 for Forward<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each_plane(x, layout, self.0.output(), |x, y| self.0.forward(x, y))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.0.cuda_forward((x, layout))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&Backward(self.0.clone()))?))
    }
}

impl<P: PlaneOp> CustomOp1 for Backward<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn cpu_fwd(&self, grad: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each_plane(grad, layout, self.0.input(), |grad_y, grad_x| self.0.backward(grad_y, grad_x))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, grad: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.0.cuda_backward((grad, layout))
    }
}

fn each_plane(
    from: &CpuStorage,
    layout: &Layout,
    (oh, ow): (usize, usize),
    work: impl Fn(&[f32], &mut [f32]) + Sync,
) -> Result<(CpuStorage, Shape)> {
    let (b, c, h, w) = layout.shape().dims4()?;
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("a plane-wise operation on a tensor that is not contiguous")
    };
    let from = &from.as_slice::<f32>()?[start..end];
    let mut to = vec![0f32; b * c * oh * ow];
    // Chunks of nothing are not allowed, and empty planes have no work.
    if !from.is_empty() && !to.is_empty() {
        let planes = TASK_ELEMENTS.div_ceil((h * w).max(oh * ow));
        to.par_chunks_mut(oh * ow)
            .zip(from.par_chunks(h * w))
            .with_min_len(planes)
            .for_each(|(to, from)| work(from, to));
    }
    Ok((CpuStorage::F32(to), Shape::from((b, c, oh, ow))))
}
