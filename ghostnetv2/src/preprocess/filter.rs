//! Pillow's resampling filters as functions of the distance from the centre.

use std::f64::consts::PI;

/// How a picture is resampled, by timm's (and Pillow's) names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// The source pixel under the centre of the target pixel.
    Nearest,
    /// The mean of the source pixels that the target pixel covers.
    Box,
    /// A triangle, 1 source pixel to each side.
    Bilinear,
    /// A Hamming-windowed sinc, 1 source pixel to each side.
    Hamming,
    /// Cubic convolution with `a = -0.5`, 2 source pixels to each side.
    Bicubic,
    /// A Lanczos-windowed sinc, 3 source pixels to each side.
    Lanczos,
}

impl Filter {
    /// Every filter, in the order of their cost.
    pub const ALL: [Self; 6] =
        [Self::Nearest, Self::Box, Self::Bilinear, Self::Hamming, Self::Bicubic, Self::Lanczos];

    /// The name that timm's configurations use.
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::preprocess::Filter;
    ///
    /// assert_eq!(Filter::from_name("bicubic"), Some(Filter::Bicubic));
    /// assert_eq!(Filter::from_name("random"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|filter| filter.name() == name)
    }

    /// The name that [`Filter::from_name`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Box => "box",
            Self::Bilinear => "bilinear",
            Self::Hamming => "hamming",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
        }
    }

    /// Distance from the centre, in source pixels, beyond which the weight is zero.
    pub(super) fn support(self) -> f64 {
        match self {
            // Nearest reads single pixels; its half pixel only says so to the memory estimate.
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The unnormalised weight at the signed distance `x`.
    ///
    /// The order of the operations is Pillow's: another order gives another last bit, and in
    /// rare cases another pixel.
    pub(super) fn weight(self, x: f64) -> f64 {
        match self {
            Self::Nearest | Self::Box => box_weight(x),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Hamming => hamming(x.abs()),
            Self::Bicubic => bicubic(x.abs()),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

/// Half open, so that a pixel on the border of two windows counts in one only.
fn box_weight(x: f64) -> f64 {
    if x > -0.5 && x <= 0.5 { 1.0 } else { 0.0 }
}

fn hamming(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    if x >= 1.0 {
        return 0.0;
    }
    let x = x * PI;
    // Pillow's two constants are single precision, widened.
    x.sin() / x * (f64::from(0.54_f32) + f64::from(0.46_f32) * x.cos())
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}
