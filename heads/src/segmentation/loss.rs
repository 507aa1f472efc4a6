//! What a Semantic FPN learns from: cross entropy of pixels.

use super::entropy::EntropySum;
use super::{LabelMap, UNLABELLED};
use crate::placement::Size;
use candle::{D, DType, Result, Tensor, bail};
use ghostnetv2::ops::upsample_bilinear2d;

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

    if logits.device().is_cpu() && logits.dtype() == DType::F32 && classes > 0 {
        let (_, _, h, w) = logits.dims4()?;
        if h == 0 || w == 0 || labels.is_empty() {
            bail!("cross entropy of {:?} logits for labels of {size:?}", logits.dims())
        }
        return EntropySum::new(labels, ((h, w), size), align_corners, divisor).of(logits);
    }
    by_operations(logits, &labels, (size, align_corners), divisor)
}

/// The same on any device and in any precision.
fn by_operations(
    logits: &Tensor,
    labels: &[u8],
    (size, align_corners): (Size, bool),
    divisor: usize,
) -> Result<Tensor> {
    let (b, device) = (logits.dim(0)?, logits.device());
    let weights = labels.iter().map(|&label| f32::from(u8::from(label != UNLABELLED)));
    let weights = Tensor::from_iter(weights, device)?.reshape((b, size.0, size.1))?;
    let chosen = labels.iter().map(|&label| if label == UNLABELLED { 0 } else { u32::from(label) });
    let chosen = Tensor::from_iter(chosen, device)?.reshape((b, 1, size.0, size.1))?;

    let logits = upsample_bilinear2d(logits, size, align_corners)?;
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let entropy = (shifted.exp()?.sum_keepdim(1)?.log()? - shifted.gather(&chosen, 1)?)?;
    let entropy = (entropy.squeeze(1)? * weights.to_dtype(logits.dtype())?)?;
    // By rows first: one long sum of small numbers would lose them.
    entropy.sum(D::Minus1)?.sum_all()? / divisor as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::{Device, Var};

    #[test]
    fn one_pass_is_the_chain_of_operations() -> Result<()> {
        for (from, to) in [((3, 4), (11, 14)), ((5, 5), (5, 5)), ((1, 7), (6, 3))] {
            for align in [false, true] {
                let (classes, count) = (5, 2 * 5 * from.0 * from.1);
                let values = (0..count).map(|i| (i * 37 % 101) as f32 / 10.0 - 5.0);
                let logits = Tensor::from_iter(values, &Device::Cpu)?;
                let logits = Var::from_tensor(&logits.reshape((2, classes, from.0, from.1))?)?;
                let labels: Vec<u8> = (0..2 * to.0 * to.1)
                    .map(|i| if i % 7 == 3 { UNLABELLED } else { (i * 3 % classes) as u8 })
                    .collect();
                let expected = by_operations(&logits, &labels, (to, align), 17)?;
                let found = EntropySum::new(labels, (from, to), align, 17).of(&logits)?;
                let close = |a: &Tensor, b: &Tensor| -> Result<bool> {
                    let most = (a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                    Ok(most <= 1e-5 * b.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?.max(1.0))
                };
                assert!(close(&found.reshape(1)?, &expected.reshape(1)?)?);
                let gradient = |loss: &Tensor| -> Result<Tensor> {
                    Ok((loss * 3.0)?.backward()?.get(&logits).expect("it depends on them").clone())
                };
                assert!(close(&gradient(&found)?, &gradient(&expected)?)?, "{from:?} {to:?}");
            }
        }
        Ok(())
    }
}
