//! Sums that are computed together with their gradients, outside of candle.

use candle::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// A scalar whose gradient is known already.
struct KnownGradient {
    value: f32,
    gradient: Tensor,
}

/// `value` as a function of `x`, an f32 tensor on the CPU, with `gradient` for each of its elements.
///
/// # Errors
/// A gradient of another length.
pub(crate) fn scalar(x: &Tensor, value: f64, gradient: Vec<f32>) -> Result<Tensor> {
    let gradient = Tensor::from_vec(gradient, x.shape(), x.device())?;
    x.apply_op1(KnownGradient { value: value as f32, gradient })
}

impl CustomOp1 for KnownGradient {
    fn name(&self) -> &'static str {
        "known-gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.value]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, outer: &Tensor) -> Result<Option<Tensor>> {
        match outer.to_scalar::<f32>()? {
            1.0 => Ok(Some(self.gradient.clone())),
            factor => (&self.gradient * f64::from(factor)).map(Some),
        }
    }
}
