//! Scenes in random sizes.

use super::{Scene, size};
use crate::Random;
use candle::Result;
use heads::placement::{Placement, Resampling, Size};
use heads::retinanet::GroundTruth;

/// Resizes a picture so that it fits a target at a random scale.
///
/// # Source
/// `ScaleJitter` in torchvision 0.29's `references/detection/transforms.py`, from Simple Copy-Paste
/// (arXiv 2012.07177): scales 0.1 to 2.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleJitter {
    /// Height and width that scale 1 fits the picture into.
    pub target: Size,
    /// The smallest and the largest scale.
    pub scales: (f64, f64),
    /// Whose resampling.
    pub resampling: Resampling,
}

impl ScaleJitter {
    /// The scene in a random size. Its shape stays but for the rounding of sides to pixels.
    ///
    /// # Errors
    /// A size that there is no memory for.
    pub fn apply(&self, scene: Scene, random: &mut Random) -> Result<Scene> {
        let scale = random.range(self.scales.0, self.scales.1);
        self.at(scene, scale)
    }

    fn at(&self, scene: Scene, scale: f64) -> Result<Scene> {
        let original = size(&scene.picture);
        let fit = |target: usize, side: usize| target as f64 / side as f64;
        let fitting = fit(self.target.0, original.0).min(fit(self.target.1, original.1));
        let side = |side: usize| ((side as f64 * fitting * scale + 0.5) as usize).max(1);
        let resized = (side(original.0), side(original.1));
        let picture = self.resampling.resize(&scene.picture, resized)?;
        let placement = Placement { original, resized, padded: resized };
        let moved = |object: &GroundTruth| GroundTruth {
            bbox: placement.to_input(object.bbox),
            class_id: object.class_id,
        };
        Ok(Scene { picture, objects: scene.objects.iter().map(moved).collect() })
    }
}
