//! Random brightness, contrast, saturation and hue.

use crate::Random;
use candle::{Error, Result};
use ghostnetv2::picture::Rgb8;

/// Distorts the colours of a picture as cameras and light do, each way with a chance of one half.
///
/// # Source
/// SSD (arXiv 1512.02325) as in `PhotoMetricDistortion` of mmsegmentation 1.2's
/// `datasets/transforms/transforms.py`. Values are not rounded to bytes before the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhotometricDistortion {
    /// At most so much is added to all colours, on a scale from 0 to 255.
    pub brightness: f64,
    /// Colours are multiplied by at least and at most so much.
    pub contrast: (f64, f64),
    /// What is not gray is multiplied by at least and at most so much.
    pub saturation: (f64, f64),
    /// Hues are turned by at most so many degrees.
    pub hue: f64,
}

impl Default for PhotometricDistortion {
    /// mmsegmentation's.
    fn default() -> Self {
        Self { brightness: 32.0, contrast: (0.5, 1.5), saturation: (0.5, 1.5), hue: 36.0 }
    }
}

/// What was drawn.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    added: f32,
    contrast: f32,
    /// Contrast is changed after saturation and hue, not before.
    contrast_last: bool,
    saturation: f32,
    degrees: f32,
}

impl PhotometricDistortion {
    /// The picture in other colours.
    ///
    /// # Errors
    /// None in practice: a picture stays as large as it is.
    pub fn apply(&self, picture: Rgb8, random: &mut Random) -> Result<Rgb8> {
        let mut maybe = |low: f64, high: f64, same: f64| match random.chance(0.5) {
            true => random.range(low, high) as f32,
            false => same as f32,
        };
        let drawn = Drawn {
            added: maybe(-self.brightness, self.brightness, 0.0),
            contrast: maybe(self.contrast.0, self.contrast.1, 1.0),
            saturation: maybe(self.saturation.0, self.saturation.1, 1.0),
            degrees: maybe(-self.hue, self.hue, 0.0),
            contrast_last: random.chance(0.5),
        };
        let (width, height) = (picture.width(), picture.height());
        let mut pixels = picture.into_pixels();
        let (colours, _) = pixels.as_chunks_mut::<3>();
        colours.iter_mut().for_each(|colour| *colour = drawn.distorted(*colour));
        Rgb8::new(width, height, pixels).map_err(Error::wrap)
    }
}

impl Drawn {
    fn distorted(&self, colour: [u8; 3]) -> [u8; 3] {
        let mut rgb = colour.map(|value| f32::from(value) + self.added);
        if !self.contrast_last {
            rgb = rgb.map(|value| value * self.contrast);
        }
        if self.saturation != 1.0 || self.degrees != 0.0 {
            rgb = self.turned(rgb.map(|value| value.clamp(0.0, 255.0)));
        }
        if self.contrast_last {
            rgb = rgb.map(|value| value * self.contrast);
        }
        rgb.map(|value| (value + 0.5).clamp(0.0, 255.0) as u8)
    }

    /// Another saturation and hue in the HSV model.
    fn turned(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let (high, low) = (r.max(g).max(b), r.min(g).min(b));
        let spread = high - low;
        if spread <= 0.0 {
            return [r, g, b];
        }
        // In sixths of a turn.
        let hue = if high == r {
            (g - b) / spread
        } else if high == g {
            2.0 + (b - r) / spread
        } else {
            4.0 + (r - g) / spread
        };
        let hue = (hue + self.degrees / 60.0).rem_euclid(6.0);
        let spread = (spread * self.saturation).min(high);
        // Source: en.wikipedia.org/wiki/HSL_and_HSV, "HSV to RGB alternative".
        [5.0, 3.0, 1.0].map(|offset: f32| {
            let k = (offset + hue) % 6.0;
            high - spread * k.min(4.0 - k).clamp(0.0, 1.0)
        })
    }
}
