//! One factor and one addend for each channel: batch-norm in evaluation.

use super::channelwise::{self, Extent, sum, sum_of_pairs, values};
use candle::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::sync::OnceLock;

/// `x * scale + shift`, in one pass, with gradients for all three.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `scale` and `shift`: `[C]` → `[B, C, H, W]`.
///
/// # Errors
/// Shapes or types that do not fit each other.
pub fn channel_affine(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let extent = Extent::of(x)?;
    expect_channels("channel_affine", extent, &[scale, shift])?;
    if channelwise::takes(&[x, scale, shift]) {
        let op = Forward(extent);
        return x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, op);
    }
    #[cfg(feature = "cuda")]
    if super::cuda::takes_with(x, &[scale, shift]) {
        return super::cuda::batch_norm::channel_affine(extent, x, scale, shift);
    }
    let as_map = |t: &Tensor| t.to_dtype(x.dtype())?.reshape((1, (), 1, 1));
    x.broadcast_mul(&as_map(scale)?)?.broadcast_add(&as_map(shift)?)
}

pub(super) fn expect_channels(name: &str, extent: Extent, tensors: &[&Tensor]) -> Result<()> {
    let channels = extent.channels;
    match tensors.iter().find(|tensor| tensor.dims() != [channels]) {
        Some(other) => {
            bail!("{name}: {:?}: expected one value for {channels} channels", other.dims())
        }
        None => Ok(()),
    }
}

/// `(x, scale, shift) → y`.
struct Forward(Extent);
/// `(x, scale, grad of y) → grad of x`; tells those of scale and shift besides.
struct Backward {
    extent: Extent,
    of_channels: OnceLock<[Vec<f32>; 2]>,
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "channel-affine"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values(x, x_layout)?;
        let (scale, shift) = (values(scale, scale_layout)?, values(shift, shift_layout)?);
        let y = self.0.map(|channel, at, y| {
            let (scale, shift) = (scale[channel], shift[channel]);
            y.iter_mut().zip(&x[at]).for_each(|(y, x)| *y = x * scale + shift);
        });
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let op = Backward { extent: self.0, of_channels: OnceLock::new() };
        let grad_x = x.apply_op3_no_bwd(scale, &grad.contiguous()?, &op)?;
        let Some([of_scale, of_shift]) = op.of_channels.into_inner() else {
            bail!("channel_affine: no gradients were computed")
        };
        let grad_scale = Tensor::from_vec(of_scale, scale.shape(), scale.device())?;
        let grad_shift = Tensor::from_vec(of_shift, shift.shape(), shift.device())?;
        Ok((Some(grad_x), Some(grad_scale), Some(grad_shift)))
    }
}

impl CustomOp3 for Backward {
    fn name(&self) -> &'static str {
        "channel-affine-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, scale) = (values(x, x_layout)?, values(scale, scale_layout)?);
        let grad = values(grad, grad_layout)?;
        let sums = self.extent.sums(|_, at| {
            [sum_of_pairs(&x[at.clone()], &grad[at.clone()], |x, g| x * g), sum(&grad[at], |g| g)]
        });
        let (of_scale, of_shift) = sums.iter().map(|[a, b]| (*a as f32, *b as f32)).unzip();
        self.of_channels.get_or_init(|| [of_scale, of_shift]);
        let grad_x = self.extent.map(|channel, at, grad_x| {
            let scale = scale[channel];
            grad_x.iter_mut().zip(&grad[at]).for_each(|(grad_x, grad)| *grad_x = grad * scale);
        });
        Ok((CpuStorage::F32(grad_x), x_layout.shape().clone()))
    }
}
