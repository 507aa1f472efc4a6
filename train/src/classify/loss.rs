//! Cross entropy with soft targets.

use candle::{D, Result, Tensor};

/// The mean over a batch of the cross entropy of `logits` with `targets`, both `[B, classes]`; each
/// row of targets is a distribution. Its gradient is `(softmax(logits) - targets) / B`.
///
/// # Errors
/// Tensors of other shapes.
///
/// # Source
/// `torch.nn.functional.cross_entropy` with probabilities as targets.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// # fn main() -> candle::Result<()> {
/// let logits = Tensor::zeros((1, 4), DType::F32, &Device::Cpu)?;
/// let targets = Tensor::new(&[[0f32, 1., 0., 0.]], &Device::Cpu)?;
/// let loss = train::classify::cross_entropy(&logits, &targets)?.to_scalar::<f32>()?;
/// assert!((loss - 4f32.ln()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (batch, _) = logits.dims2()?;
    // The largest logit is taken off against overflow; the loss does not depend on it.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let entropy = (shifted.broadcast_sub(&normaliser)? * targets)?.sum(D::Minus1)?;
    entropy.sum_all()? / -(batch.max(1) as f64)
}
