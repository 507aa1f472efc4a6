//! Which part of a picture a network sees.

use crate::seed::Random;
use candle::{Error, Result};
use ghostnetv2::picture::Rgb8;
use ghostnetv2::preprocess::{Filter, resize};
use serde::{Deserialize, Serialize};

/// How a picture is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resampling {
    /// Triangles.
    Bilinear,
    /// Cubics.
    Bicubic,
    /// One of these, every time anew: timm's `random`.
    Random,
}

impl Resampling {
    pub(super) fn filter(self, random: &mut Random) -> Filter {
        match self {
            Self::Bilinear => Filter::Bilinear,
            Self::Bicubic => Filter::Bicubic,
            Self::Random if random.chance(0.5) => Filter::Bilinear,
            Self::Random => Filter::Bicubic,
        }
    }
}

/// Which part of a picture a network sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "crop")]
pub enum Crop {
    /// The whole picture, in another shape.
    Whole {
        /// How it is resampled.
        resampling: Resampling,
    },
    /// A part of random size and shape: torchvision's `RandomResizedCrop`.
    RandomResized {
        /// Least and greatest share of the area.
        scale: (f64, f64),
        /// Least and greatest width over height.
        ratio: (f64, f64),
        /// How it is resampled.
        resampling: Resampling,
    },
    /// The picture in the input's size, mirrored outwards by so many pixels, and a random part of
    /// that: what small pictures take.
    Padded {
        /// Pixels on each side.
        pixels: u32,
    },
}

impl Crop {
    /// torchvision's defaults.
    pub fn random_resized() -> Self {
        let ratio = (3.0 / 4.0, 4.0 / 3.0);
        Self::RandomResized { scale: (0.08, 1.0), ratio, resampling: Resampling::Bilinear }
    }

    /// A picture of `size`, which is height and width.
    ///
    /// # Errors
    /// A size that no picture can have.
    pub fn apply(&self, picture: &Rgb8, size: (u32, u32), random: &mut Random) -> Result<Rgb8> {
        let fitted = |picture: &Rgb8, filter| {
            if (picture.height(), picture.width()) == size {
                return Ok(picture.clone());
            }
            resize(picture, size.1, size.0, filter).map_err(Error::wrap)
        };
        match *self {
            Self::Whole { resampling } => fitted(picture, resampling.filter(random)),
            Self::RandomResized { scale, ratio, resampling } => {
                let window = window((picture.height(), picture.width()), scale, ratio, random);
                fitted(&cut(picture, window)?, resampling.filter(random))
            }
            Self::Padded { pixels } => {
                let picture = fitted(picture, Filter::Bicubic)?;
                let mut offset =
                    || random.below(2 * pixels as usize + 1) as i64 - i64::from(pixels);
                let (down, right) = (offset(), offset());
                mirrored_outwards(&picture, down, right)
            }
        }
    }
}

/// Top, left, height and width.
type Window = (u32, u32, u32, u32);

/// torchvision's `RandomResizedCrop.get_params`.
fn window(
    (height, width): (u32, u32),
    scale: (f64, f64),
    ratio: (f64, f64),
    random: &mut Random,
) -> Window {
    let (h, w) = (f64::from(height), f64::from(width));
    for _ in 0..10 {
        let area = h * w * random.range(scale.0, scale.1);
        let shape = libm::exp(random.range(libm::log(ratio.0), libm::log(ratio.1)));
        let (cut_w, cut_h) = (rounded((area * shape).sqrt()), rounded((area / shape).sqrt()));
        if (1..=width).contains(&cut_w) && (1..=height).contains(&cut_h) {
            let top = random.below((height - cut_h + 1) as usize) as u32;
            let left = random.below((width - cut_w + 1) as usize) as u32;
            return (top, left, cut_h, cut_w);
        }
    }
    // Of a picture that is too narrow for the shapes, the middle.
    let (cut_h, cut_w) = if w / h < ratio.0 {
        (rounded(w / ratio.0), width)
    } else if w / h > ratio.1 {
        (height, rounded(h * ratio.1))
    } else {
        (height, width)
    };
    let (cut_h, cut_w) = (cut_h.clamp(1, height), cut_w.clamp(1, width));
    ((height - cut_h) / 2, (width - cut_w) / 2, cut_h, cut_w)
}

fn rounded(side: f64) -> u32 {
    side.round_ties_even() as u32
}

fn cut(picture: &Rgb8, (top, left, height, width): Window) -> Result<Rgb8> {
    let stride = picture.width() as usize * 3;
    let rows = picture.pixels().chunks_exact(stride).skip(top as usize).take(height as usize);
    let columns = left as usize * 3..(left + width) as usize * 3;
    let pixels = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
    Rgb8::new(width, height, pixels).map_err(Error::wrap)
}

/// The picture moved by some pixels; what comes in at its borders is the picture mirrored, without
/// the border pixels themselves: numpy's `reflect`.
fn mirrored_outwards(picture: &Rgb8, down: i64, right: i64) -> Result<Rgb8> {
    let (height, width) = (i64::from(picture.height()), i64::from(picture.width()));
    let columns: Vec<usize> = (0..width).map(|x| reflected(x + right, width)).collect();
    let pixels = picture.pixels();
    let mut moved = Vec::with_capacity(pixels.len());
    for y in 0..height {
        let row = reflected(y + down, height) * columns.len();
        for &column in &columns {
            let at = (row + column) * 3;
            moved.extend_from_slice(&pixels[at..at + 3]);
        }
    }
    super::with_pixels(picture, moved)
}

fn reflected(i: i64, length: i64) -> usize {
    let period = (2 * (length - 1)).max(1);
    let i = i.rem_euclid(period);
    i.min(period - i).min(length - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn reflection_by_hand() {
        let around: Vec<usize> = (-3..7).map(|i| reflected(i, 4)).collect();
        assert_eq!(around, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(reflected(-5, 1), 0);
    }

    #[test]
    fn windows_lie_in_the_picture_and_have_their_shapes() {
        let mut random = Seed(3).stream("window", 0, 0);
        let (mut least, mut most) = (f64::INFINITY, 0f64);
        for _ in 0..500 {
            let (t, l, h, w) = window((60, 90), (0.25, 0.5), (0.8, 1.25), &mut random);
            assert!(t + h <= 60 && l + w <= 90);
            let shape = f64::from(w) / f64::from(h);
            assert!((0.76..1.32).contains(&shape), "{shape}");
            let share = f64::from(w * h) / 5400.0;
            (least, most) = (least.min(share), most.max(share));
        }
        assert!(least > 0.23 && least < 0.27 && most > 0.47 && most < 0.53, "{least} {most}");
        // Too narrow for any of the shapes.
        assert_eq!(window((10, 1000), (1.0, 1.0), (0.75, 1.25), &mut random), (0, 494, 10, 12));
    }

    #[test]
    fn moved_pixels_are_the_pictures() -> Result<()> {
        let picture = Rgb8::new(3, 1, (0..9).collect()).map_err(Error::wrap)?;
        assert_eq!(mirrored_outwards(&picture, 0, 1)?.pixels(), [3, 4, 5, 6, 7, 8, 3, 4, 5]);
        assert_eq!(mirrored_outwards(&picture, 0, -1)?.pixels(), [3, 4, 5, 0, 1, 2, 3, 4, 5]);
        Ok(())
    }
}
