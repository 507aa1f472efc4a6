//! What segmentation networks learn from: pictures and label maps of one size, each time others.

use super::{LabelCrop, Labelled, PhotometricDistortion, size};
use crate::Random;
use candle::Result;
use heads::placement::InputConfig;

/// How pictures and label maps are changed before a network sees them, in this order.
///
/// # Source
/// `train_pipeline` of mmsegmentation 1.2's `configs/_base_/datasets/ade20k.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentationAugment {
    /// The size that scale 1 means.
    pub input: InputConfig,
    /// The smallest and the largest scale.
    pub scales: (f64, f64),
    /// The part of it that fits the input.
    pub crop: LabelCrop,
    /// How often left and right are exchanged.
    pub flip: f64,
    /// Other colours, where there is one.
    pub colour: Option<PhotometricDistortion>,
}

impl SegmentationAugment {
    /// Both changed: the picture no larger than the crop, the label map as large as it.
    ///
    /// # Errors
    /// A size that there is no memory for.
    pub fn apply(&self, labelled: &Labelled, random: &mut Random) -> Result<Labelled> {
        let scale = random.range(self.scales.0, self.scales.1);
        let fitted = self.input.place(size(&labelled.picture)).resized;
        let side = |side: usize| ((side as f64 * scale + 0.5) as usize).max(1);
        let sized = (side(fitted.0), side(fitted.1));
        let mut changed = labelled.resized(sized, self.input.resampling)?;
        if random.chance(self.flip) {
            changed = changed.mirrored()?;
        }
        changed = self.crop.apply(changed, random)?;
        if let Some(colour) = &self.colour {
            changed.picture = colour.apply(changed.picture, random)?;
        }
        Ok(changed)
    }
}
