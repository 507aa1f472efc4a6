//! What detectors learn from: scenes of one size, each time others.

use super::{FixedCrop, IouCrop, PhotometricDistortion, ScaleJitter, Scene};
use crate::Random;
use candle::Result;

/// How scenes are changed before a detector sees them, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionAugment {
    /// Other colours, where there is one.
    pub colour: Option<PhotometricDistortion>,
    /// SSD's crop, where there is one.
    pub iou_crop: Option<IouCrop>,
    /// How often left and right are exchanged.
    pub flip: f64,
    /// Another size.
    pub scale: ScaleJitter,
    /// The part of it that fits the input.
    pub crop: FixedCrop,
}

impl DetectionAugment {
    /// The scene changed, no larger than the crop.
    ///
    /// # Errors
    /// What the steps say; none in practice.
    pub fn apply(&self, mut scene: Scene, random: &mut Random) -> Result<Scene> {
        if let Some(colour) = &self.colour {
            scene.picture = colour.apply(scene.picture, random)?;
        }
        if let Some(crop) = &self.iou_crop {
            scene = crop.apply(scene, random)?;
        }
        if random.chance(self.flip) {
            scene = scene.mirrored()?;
        }
        self.crop.apply(self.scale.apply(scene, random)?, random)
    }
}
