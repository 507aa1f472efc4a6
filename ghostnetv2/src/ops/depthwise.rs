//! Depthwise convolution, one filter per channel, as a differentiable candle operation.

#[cfg(feature = "cuda")]
use super::cuda::maps;
use super::{conv2d::ConvAlgorithm, on_gpu, taps};
#[cfg(feature = "cuda")]
use candle::CudaStorage;
use candle::{
    CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, backend::BackendStorage, bail,
};
use engine::kernels::depthwise::{self, DepthwiseShape};

/// Convolves each channel of `x` with its own filter.
///
/// On the CPU f32 runs on SIMD kernels, on all threads of the ambient rayon pool; with the feature
/// `cuda` a GPU has kernels for f32, f16 and bf16; other devices and types take ordinary candle
/// operations. All have gradients for `x` and `weight`.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `weight`: `[C, 1, KH, KW]` → `[B, C, OH, OW]` with
/// `OH = (H + 2 * padding.0 - KH) / stride.0 + 1`, `OW` likewise.
///
/// # Errors
/// Shapes or types that do not fit each other, or a kernel larger than the padded picture.
///
/// # Example
/// ```
/// use candle::{Device, Tensor};
/// use ghostnetv2::ops::{ConvAlgorithm, depthwise_conv2d};
/// # fn main() -> candle::Result<()> {
/// let x = Tensor::ones((1, 2, 7, 9), candle::DType::F32, &Device::Cpu)?;
/// let w = Tensor::ones((2, 1, 1, 5), candle::DType::F32, &Device::Cpu)?;
/// let y = depthwise_conv2d(&x, &w, (1, 1), (0, 2), ConvAlgorithm::default())?;
/// assert_eq!(y.dims(), [1, 2, 7, 9]);
/// # Ok(())
/// # }
/// ```
pub fn depthwise_conv2d(
    x: &Tensor,
    weight: &Tensor,
    stride: (usize, usize),
    padding: (usize, usize),
    algorithm: ConvAlgorithm,
) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let (o, per_group, kh, kw) = weight.dims4()?;
    taps::out_size(x, weight, stride, padding, 1)?;
    if (o, per_group) != (c, 1) {
        bail!("depthwise_conv2d: weight {:?}: expected [{c}, 1, KH, KW]", weight.dims())
    }
    let on_cpu = x.device().is_cpu() && (x.dtype(), weight.dtype()) == (DType::F32, DType::F32);
    if algorithm == ConvAlgorithm::CandleOps || !(on_cpu || on_gpu(&[x, weight])) {
        return shifted_multiply_add(x, weight, stride, padding, 1);
    }
    let shape = DepthwiseShape::new(b, c, (h, w), (kh, kw), stride, padding)
        .map_err(candle::Error::wrap)?;
    x.contiguous()?.apply_op2(&weight.contiguous()?, Forward(shape))
}

/// Sum over the taps of shifted picture times tap: autograd and every backend can do that.
pub(super) fn shifted_multiply_add(
    x: &Tensor,
    weight: &Tensor,
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: usize,
) -> Result<Tensor> {
    let (c, _, kh, kw) = weight.dims4()?;
    let weight = weight.reshape((1, c, kh * kw, 1, 1))?;
    let mut sum: Option<Tensor> = None;
    let taps = taps::shifted(x, (kh, kw), stride, padding, dilation)?;
    for (i, tap) in taps.iter().enumerate() {
        let term = tap.broadcast_mul(&weight.narrow(2, i, 1)?.squeeze(2)?)?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    sum.ok_or_else(|| candle::Error::Msg("depthwise_conv2d: empty kernel".into()))
}

/// What kernels on a GPU are told.
#[cfg(feature = "cuda")]
fn geometry(s: &DepthwiseShape) -> Result<crate::gpu::Geometry> {
    let pairs = [s.input(), s.output(), s.kernel(), s.stride(), s.padding(), (1, 1)];
    crate::gpu::Geometry::new(s.channels(), pairs)
}

/// `(x, weight) → y`.
struct Forward(DepthwiseShape);
/// `(weight, grad of y) → grad of x`.
struct GradInput(DepthwiseShape);
/// `(x, grad of y) → grad of weight`.
struct GradWeight(DepthwiseShape);

impl CustomOp2 for Forward {
    fn name(&self) -> &'static str {
        "depthwise-conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (contiguous(x, x_layout)?, contiguous(weight, weight_layout)?);
        let (s, (oh, ow)) = (&self.0, self.0.output());
        let mut y = vec![0f32; s.output_len()];
        depthwise::forward(s, x, weight, None, &mut y).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(y), Shape::from((s.batch(), s.channels(), oh, ow))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (s, planes) = (&self.0, (self.0.batch(), self.0.channels()));
        maps::depthwise((x, x_layout), (weight, weight_layout), planes, s.output(), geometry(s)?)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grad_x = weight.apply_op2_no_bwd(&grad, &GradInput(self.0))?;
        let grad_weight = x.apply_op2_no_bwd(&grad, &GradWeight(self.0))?;
        Ok((Some(grad_x), Some(grad_weight)))
    }
}

impl CustomOp2 for GradInput {
    fn name(&self) -> &'static str {
        "depthwise-conv2d-grad-input"
    }

    fn cpu_fwd(
        &self,
        weight: &CpuStorage,
        weight_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, grad) = (contiguous(weight, weight_layout)?, contiguous(grad, grad_layout)?);
        let (s, (h, w)) = (&self.0, self.0.input());
        let mut grad_x = vec![0f32; s.input_len()];
        depthwise::grad_input(s, weight, grad, &mut grad_x).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(grad_x), Shape::from((s.batch(), s.channels(), h, w))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        weight: &CudaStorage,
        weight_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (s, planes) = (&self.0, (self.0.batch(), self.0.channels()));
        let (weight, grad) = ((weight, weight_layout), (grad, grad_layout));
        maps::depthwise_grad_input(weight, grad, planes, s.input(), geometry(s)?)
    }
}

impl CustomOp2 for GradWeight {
    fn name(&self) -> &'static str {
        "depthwise-conv2d-grad-weight"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, grad) = (contiguous(x, x_layout)?, contiguous(grad, grad_layout)?);
        let (s, (kh, kw)) = (&self.0, self.0.kernel());
        let mut grad_weight = vec![0f32; s.weight_len()];
        depthwise::grad_weight(s, x, grad, &mut grad_weight).map_err(candle::Error::wrap)?;
        Ok((CpuStorage::F32(grad_weight), Shape::from((s.channels(), 1, kh, kw))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (s, planes) = (&self.0, (self.0.batch(), self.0.channels()));
        let (x, grad) = ((x, x_layout), (grad, grad_layout));
        maps::depthwise_grad_weight(x, grad, planes, s.kernel(), geometry(s)?)
    }
}

/// The elements of a storage that the callers made contiguous.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("depthwise-conv2d: {:?} operand is not contiguous", storage.dtype()),
    }
}
