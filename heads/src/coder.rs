//! Boxes as differences from anchors, which is what a detector learns.

use crate::boxes::BBox;
use candle::{Result, Tensor};

/// The logarithm of the largest growth that is decoded, `ln(1000 / 16)`: an anchor of 16 pixels
/// becomes a picture of 1000.
const MAX_GROWTH: f32 = 4.135_166_6;

/// Encodes and decodes `[dx, dy, dw, dh]`: the shift of the centre over the anchor's size, and the
/// logarithm of the growth.
///
/// # Source
/// torchvision's `BoxCoder` with weights (1, 1, 1, 1), and mmdetection's `DeltaXYWHBBoxCoder` with
/// its default means and deviations; in their order of operations, in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BoxCoder {
    /// Also bound how far a box may shrink, as mmdetection does; torchvision bounds growth only.
    pub bound_shrinking: bool,
}

impl BoxCoder {
    /// What must be added to `anchor` to get `bbox`; infinite or NaN where one of them is empty.
    pub fn encode(self, bbox: BBox, anchor: BBox) -> [f32; 4] {
        let ([x, y, w, h], [ax, ay, aw, ah]) = (centred(bbox), centred(anchor));
        [(x - ax) / aw, (y - ay) / ah, (w / aw).ln(), (h / ah).ln()]
    }

    /// The box that [`BoxCoder::encode`] was given; bounded growth keeps it finite.
    pub fn decode(self, [dx, dy, dw, dh]: [f32; 4], anchor: BBox) -> BBox {
        let [ax, ay, aw, ah] = centred(anchor);
        // Not `clamp` and `min`, which would make a number of NaN.
        let bounded = |d: f32| match d {
            d if d > MAX_GROWTH => MAX_GROWTH,
            d if self.bound_shrinking && d < -MAX_GROWTH => -MAX_GROWTH,
            d => d,
        };
        let (x, y) = (dx * aw + ax, dy * ah + ay);
        let (half_w, half_h) = (0.5 * (bounded(dw).exp() * aw), 0.5 * (bounded(dh).exp() * ah));
        [x - half_w, y - half_h, x + half_w, y + half_h]
    }

    /// [`BoxCoder::decode`] with gradients for the differences.
    ///
    /// # Shapes
    /// `deltas`: `[N, 4]`, `anchors`: `[N, 4]` → `[N, 4]`.
    ///
    /// # Errors
    /// Shapes that do not fit each other.
    pub fn decode_tensor(self, deltas: &Tensor, anchors: &Tensor) -> Result<Tensor> {
        let (near, far) = (anchors.narrow(1, 0, 2)?, anchors.narrow(1, 2, 2)?);
        let size = (far - &near)?;
        let centre = (near + (&size * 0.5)?)?;
        let centre = ((deltas.narrow(1, 0, 2)? * &size)? + centre)?;
        let mut growth = deltas.narrow(1, 2, 2)?.minimum(MAX_GROWTH)?;
        if self.bound_shrinking {
            growth = growth.maximum(-MAX_GROWTH)?;
        }
        let half = ((growth.exp()? * size)? * 0.5)?;
        Tensor::cat(&[(&centre - &half)?, (centre + half)?], 1)
    }
}

/// Centre, width and height.
fn centred([x1, y1, x2, y2]: BBox) -> [f32; 4] {
    let (w, h) = (x2 - x1, y2 - y1);
    [x1 + 0.5 * w, y1 + 0.5 * h, w, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::Device;

    #[test]
    fn growth_is_bounded_and_shrinking_where_asked_for() {
        let anchor = [0.0, 0.0, 16.0, 16.0];
        let deltas = [0.0, 0.0, 99.0, -99.0];
        let [x1, y1, x2, y2] = BoxCoder::default().decode(deltas, anchor);
        assert_eq!((x2 - x1).round(), 1000.0);
        assert_eq!(y2 - y1, 0.0);
        let [_, y1, _, y2] = BoxCoder { bound_shrinking: true }.decode(deltas, anchor);
        assert!((y2 - y1 - 0.256).abs() < 1e-5);
        assert!(BoxCoder::default().decode([f32::NAN; 4], anchor).iter().all(|v| v.is_nan()));
    }

    #[test]
    fn tensors_decode_as_numbers_do() -> Result<()> {
        for coder in [BoxCoder::default(), BoxCoder { bound_shrinking: true }] {
            let deltas = [[0.5f32, -0.25, 0.1, 0.2], [1.5, 0.0, 9.0, -9.0]];
            let anchors = [[3.0f32, 4.0, 10.0, 30.0], [-8.0, -8.0, 8.0, 8.0]];
            let device = &Device::Cpu;
            let found = coder
                .decode_tensor(&Tensor::new(&deltas, device)?, &Tensor::new(&anchors, device)?)?
                .to_vec2::<f32>()?;
            for i in 0..2 {
                let expected = coder.decode(deltas[i], anchors[i]);
                for (found, expected) in found[i].iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
                }
            }
        }
        Ok(())
    }
}
