//! Random brightness, contrast and saturation.

use super::Op;
use crate::seed::Random;
use candle::Result;
use ghostnetv2::picture::Rgb8;
use serde::{Deserialize, Serialize};

/// Brightness, contrast and saturation, each times a factor within `1 ± strength`, in random order:
/// torchvision's `ColorJitter` without hue, as timm's `--color-jitter` sets it up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColourJitter {
    /// From 0.
    pub strength: f64,
}

impl ColourJitter {
    /// The picture in other colours.
    ///
    /// # Errors
    /// None in practice: a picture stays as large as it is.
    pub fn apply(&self, mut picture: Rgb8, random: &mut Random) -> Result<Rgb8> {
        for which in random.order(3) {
            let low = (1.0 - self.strength).max(0.0);
            let factor = random.range(low, 1.0 + self.strength) as f32;
            let op = [Op::Brightness(factor), Op::Contrast(factor), Op::Colour(factor)][which];
            picture = op.apply(&picture)?;
        }
        Ok(picture)
    }
}
