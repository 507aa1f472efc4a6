//! What a RetinaNet learns from: focal loss for classes, L1 or generalised IoU for boxes.

use candle::{Result, Tensor};

/// Which losses, and what they are divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossConfig {
    /// The loss of boxes.
    pub bbox: BoxLoss,
    /// What sums over anchors are divided by.
    pub normalizer: Normalizer,
    /// The focal loss' weight of objects, of the background its rest to 1; `None` weighs both 1.
    pub alpha: Option<f64>,
    /// How little the focal loss cares for what is known well already; 0 is cross entropy.
    pub gamma: f64,
}

/// The loss of boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BoxLoss {
    /// Of the encoded differences, summed over the four of them.
    L1,
    /// Of the decoded boxes (arXiv 1902.09630).
    Giou,
}

/// What sums over anchors are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normalizer {
    /// Each picture's by the number of its anchors that learn a box (at least 1), then the batch's
    /// by its pictures: torchvision.
    EachPicture,
    /// The batch's by the sum of these numbers; cells in the padding that only larger pictures of
    /// the batch made learn nothing: mmdetection.
    Batch,
}

/// Both losses of a batch, scalars.
#[derive(Clone, Debug)]
pub struct Losses {
    /// Of the classes.
    pub classification: Tensor,
    /// Of the boxes; exactly 0 where there are none.
    pub bbox: Tensor,
}

impl Losses {
    /// Their sum, which is what to call `backward` on.
    ///
    /// # Errors
    /// What candle says of the sum.
    pub fn total(&self) -> Result<Tensor> {
        &self.classification + &self.bbox
    }
}

/// Focal loss of each logit, for targets of 0 and 1.
///
/// The gradient is computed in closed form: candle's derivative of ReLU at 0 is not the one that
/// cross entropy needs, and a chain of operations would keep a dozen maps of this size.
///
/// # Shapes
/// All the same.
///
/// # Errors
/// Shapes that differ.
///
/// # Source
/// Focal Loss for Dense Object Detection (arXiv 1708.02002), equation 5; torchvision's
/// `ops/focal_loss.py`.
///
/// # Example
/// ```
/// use candle::{Device, Tensor};
/// use heads::retinanet::focal_loss;
/// # fn main() -> candle::Result<()> {
/// let logits = Tensor::new(&[0f32, 0.], &Device::Cpu)?;
/// let targets = Tensor::new(&[0f32, 1.], &Device::Cpu)?;
/// let loss = focal_loss(&logits, &targets, Some(0.25), 2.0)?.to_vec1::<f32>()?;
/// let entropy = std::f32::consts::LN_2;
/// assert!((loss[0] - 0.75 * 0.25 * entropy).abs() < 1e-6);
/// assert!((loss[1] - 0.25 * 0.25 * entropy).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub fn focal_loss(
    logits: &Tensor,
    targets: &Tensor,
    alpha: Option<f64>,
    gamma: f64,
) -> Result<Tensor> {
    let (x, t) = (logits.detach(), targets.detach());
    let p = candle_nn::ops::sigmoid(&x)?;
    // log(1 + exp(x)) - t x, without the overflow.
    let entropy = ((x.relu()? - (&x * &t)?)? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let signed = (1.0 - (&t * 2.0)?)?; // +1 for background, -1 for an object
    let miss = ((&p * &signed)? + &t)?; // 1 - p_t
    let slope = (&p - &t)?;
    let (mut value, mut gradient) = if gamma == 0.0 {
        (entropy, slope)
    } else {
        let weight = miss.powf(gamma)?;
        // d miss / dx = ± p (1 - p), and p (1 - p) = miss (1 - miss).
        let spread = (&weight * (1.0 - &miss)?)?;
        let by_weight = (((spread * signed)? * &entropy)? * gamma)?;
        ((&weight * entropy)?, ((weight * slope)? + by_weight)?)
    };
    if let Some(alpha) = alpha {
        let weight = ((&t * (2.0 * alpha - 1.0))? + (1.0 - alpha))?;
        (value, gradient) = ((value * &weight)?, (gradient * weight)?);
    }
    with_gradient(&value, logits, &gradient)
}

/// Absolute differences; the gradient of an exact hit is 0.
///
/// # Shapes
/// Both the same.
///
/// # Errors
/// Shapes that differ.
pub fn l1_loss(found: &Tensor, expected: &Tensor) -> Result<Tensor> {
    let difference = (found.detach() - expected.detach())?;
    with_gradient(&difference.abs()?, found, &difference.sign()?)
}

/// One minus the generalised intersection over union of boxes, from 0 to 2.
///
/// # Shapes
/// `[N, 4]` both → `[N]`.
///
/// # Errors
/// Shapes that differ.
///
/// # Source
/// Generalized Intersection over Union (arXiv 1902.09630), algorithm 1; torchvision's
/// `ops/giou_loss.py`.
pub fn giou_loss(found: &Tensor, expected: &Tensor) -> Result<Tensor> {
    const EPSILON: f64 = 1e-7;
    let corners =
        |boxes: &Tensor| -> Result<_> { Ok((boxes.narrow(1, 0, 2)?, boxes.narrow(1, 2, 2)?)) };
    let (a, b) = (corners(found)?, corners(expected)?);
    let product = |sides: &Tensor| sides.narrow(1, 0, 1)? * sides.narrow(1, 1, 1)?;

    let overlap = (a.1.minimum(&b.1)? - a.0.maximum(&b.0)?)?; // [N, 2]
    let meets = product(&overlap.gt(0.0)?.to_dtype(overlap.dtype())?)?;
    let intersection = (product(&overlap)? * meets)?; // [N, 1]
    let areas = (product(&(&a.1 - &a.0)?)? + product(&(&b.1 - &b.0)?)?)?;
    let union = (areas - &intersection)?;
    let hull = product(&(a.1.maximum(&b.1)? - a.0.minimum(&b.0)?)?)?;

    let iou = (intersection / (&union + EPSILON)?)?;
    let gap = ((&hull - union)? / (hull + EPSILON)?)?;
    (gap - (iou - 1.0)?)?.squeeze(1)
}

/// `value`, whose gradient for `x` is `gradient` in each element.
fn with_gradient(value: &Tensor, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    value.detach() + (gradient.detach() * (x - x.detach())?)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::{Device, Var};

    #[test]
    fn generalised_overlaps_by_hand() -> Result<()> {
        let boxes = |boxes: &[[f32; 4]; 3]| Tensor::new(boxes, &Device::Cpu);
        let square = [-1.0, -1.0, 1.0, 1.0];
        let found = boxes(&[square; 3])?;
        // The same, a quarter of it, and one apart: 4 of the hull's 9 belong to neither.
        let expected = boxes(&[square, [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 2.0, 2.0]])?;
        let loss = giou_loss(&found, &expected)?.to_vec1::<f32>()?;
        for (loss, expected) in loss.into_iter().zip([0.0, 0.75, 13.0 / 9.0]) {
            assert!((loss - expected).abs() < 1e-6, "{loss} instead of {expected}");
        }
        let nothing = Tensor::zeros((0, 4), candle::DType::F32, &Device::Cpu)?;
        assert_eq!(giou_loss(&nothing, &nothing)?.dims(), [0]);
        Ok(())
    }

    #[test]
    fn without_focus_it_is_cross_entropy_with_its_gradient() -> Result<()> {
        let logits = Var::new(&[-100f32, -2.0, 0.0, 3.0, 100.0], &Device::Cpu)?;
        for target in [0f32, 1.0] {
            let targets = Tensor::full(target, 5, &Device::Cpu)?;
            let loss = focal_loss(&logits, &targets, None, 0.0)?;
            let gradient = loss.sum_all()?.backward()?;
            let gradient = gradient.get(&logits).expect("it depends on them").to_vec1::<f32>()?;
            let logits = logits.to_vec1::<f32>()?;
            for ((x, loss), gradient) in logits.iter().zip(loss.to_vec1::<f32>()?).zip(gradient) {
                let x = f64::from(*x);
                let signed = if target == 1.0 { -x } else { x };
                let entropy = signed.max(0.0) + (-signed.abs()).exp().ln_1p();
                let slope = 1.0 / (1.0 + (-x).exp()) - f64::from(target);
                assert!((f64::from(loss) - entropy).abs() <= 1e-6 * entropy.max(1e-3));
                assert!((f64::from(gradient) - slope).abs() < 1e-6);
            }
        }
        Ok(())
    }
}
