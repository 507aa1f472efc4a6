//! What a Semantic FPN learns from: cross entropy of pixels.

use super::{LabelMap, UNLABELLED};
use candle::{D, Result, Tensor, bail};

/// What the sum over pixels is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Average {
    /// Pixels that have a class (at least 1), as PyTorch's `cross_entropy`.
    Labelled,
    /// All pixels, as mmsegmentation by default.
    All,
}

/// Cross entropy of logits, resized to the label maps; exactly 0 where nothing is labelled.
///
/// # Shapes
/// `[B, classes, H, W]` → a scalar. Label maps are equally large, and may be larger.
///
/// # Errors
/// Another number of label maps than of pictures, maps of different sizes, labels of classes that
/// there are not.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use heads::segmentation::{Average, LabelMap, cross_entropy};
/// # fn main() -> candle::Result<()> {
/// let logits = Tensor::zeros((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
/// let labels = LabelMap::new((2, 2), vec![0, 3, 1, 255])?;
/// let loss = cross_entropy(&logits, &[labels], false, Average::Labelled)?.to_scalar::<f32>()?;
/// assert!((loss - 4f32.ln()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn cross_entropy(
    logits: &Tensor,
    labels: &[LabelMap],
    align_corners: bool,
    average: Average,
) -> Result<Tensor> {
    let (b, classes, _, _) = logits.dims4()?;
    let Some(size) = labels.first().map(LabelMap::size).filter(|_| labels.len() == b) else {
        bail!("{} label maps for a batch of {b}", labels.len())
    };
    if let Some(other) = labels.iter().find(|map| map.size() != size) {
        bail!("label maps of {size:?} and {:?} in a batch: crop or pad them", other.size())
    }
    let labels: Vec<u8> = labels.iter().flat_map(|map| map.labels().iter().copied()).collect();
    let beyond = |&&label: &&u8| label != UNLABELLED && usize::from(label) >= classes;
    if let Some(label) = labels.iter().find(beyond) {
        bail!("label {label}: expected one below {classes}, or {UNLABELLED} for none")
    }
    let labelled = labels.iter().filter(|&&label| label != UNLABELLED).count();
    let divisor = match average {
        Average::Labelled => labelled.max(1),
        Average::All => labels.len().max(1),
    };

    let device = logits.device();
    let weights = labels.iter().map(|&label| f32::from(u8::from(label != UNLABELLED)));
    let weights = Tensor::from_iter(weights, device)?.reshape((b, size.0, size.1))?;
    let chosen = labels.iter().map(|&label| if label == UNLABELLED { 0 } else { u32::from(label) });
    let chosen = Tensor::from_iter(chosen, device)?.reshape((b, 1, size.0, size.1))?;

    let logits = crate::bilinear::resize(logits, size, align_corners)?;
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let entropy = (shifted.exp()?.sum_keepdim(1)?.log()? - shifted.gather(&chosen, 1)?)?;
    let entropy = (entropy.squeeze(1)? * weights.to_dtype(logits.dtype())?)?;
    // By rows first: one long sum of small numbers would lose them.
    entropy.sum(D::Minus1)?.sum_all()? / divisor as f64
}
