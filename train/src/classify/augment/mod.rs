//! Changes to training pictures, each drawn from the random numbers that it is given.

mod colour;
mod crop;
mod erase;
mod geometry;
mod mix;
mod ops;
mod rand_augment;

pub use colour::ColourJitter;
pub use crop::{Crop, Resampling};
pub use erase::{Erase, Fill};
pub use mix::{Mix, Mixed};
pub use ops::Op;
pub use rand_augment::RandAugment;

use crate::dense::mirrored;
use crate::seed::Random;
use candle::{Error, Result};
use ghostnetv2::picture::Rgb8;
use serde::{Deserialize, Serialize};

/// From a picture to a network's input, in training: crop, flip, colours, normalisation, erasing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augment {
    /// Height and width of the input.
    pub size: (u32, u32),
    /// Which part of the picture.
    pub crop: Crop,
    /// How often left and right are exchanged.
    pub flip: f64,
    /// Random brightness, contrast and saturation.
    pub colour: Option<ColourJitter>,
    /// Random operations of a list.
    pub rand_augment: Option<RandAugment>,
    /// Random rectangles without a picture.
    pub erase: Option<Erase>,
    /// Two pictures in one.
    pub mix: Mix,
    /// What is subtracted from red, green and blue, on a scale from 0 to 1.
    pub mean: [f64; 3],
    /// What they are divided by after that.
    pub std: [f64; 3],
}

impl Augment {
    /// A picture made ready, `[3, height, width]`.
    ///
    /// # Errors
    /// A size that no picture can have.
    pub fn apply(&self, picture: &Rgb8, random: &mut Random) -> Result<Vec<f32>> {
        let mut picture = self.crop.apply(picture, self.size, random)?;
        if random.chance(self.flip) {
            picture = mirrored(&picture)?;
        }
        if let Some(rand_augment) = &self.rand_augment {
            picture = rand_augment.apply(picture, self.mean, random)?;
        }
        if let Some(colour) = &self.colour {
            picture = colour.apply(picture, random)?;
        }
        let mut values = self.normalised(&picture);
        if let Some(erase) = &self.erase {
            erase.apply(&mut values, (self.size.0 as usize, self.size.1 as usize), random);
        }
        Ok(values)
    }

    /// In torchvision's order of operations, as [`ghostnetv2::preprocess`] does it.
    fn normalised(&self, picture: &Rgb8) -> Vec<f32> {
        let planes: [Vec<f32>; 3] = std::array::from_fn(|colour| {
            let (mean, std) = (self.mean[colour] as f32, self.std[colour] as f32);
            let levels: [f32; 256] = std::array::from_fn(|v| (v as f32 / 255.0 - mean) / std);
            picture.pixels().chunks_exact(3).map(|p| levels[usize::from(p[colour])]).collect()
        });
        planes.concat()
    }
}

/// A picture of the same size with other pixels.
fn with_pixels(picture: &Rgb8, pixels: Vec<u8>) -> Result<Rgb8> {
    Rgb8::new(picture.width(), picture.height(), pixels).map_err(Error::wrap)
}
