//! Results drawn on pictures: boxes with names, areas in colours, a legend.

mod areas;
mod boxes;

pub use areas::Legend;
pub use boxes::Mark;

use crate::exit::Usage;
use ab_glyph::{FontRef, FontVec, PxScale};
use anyhow::{Context, Result};
use ghostnetv2::picture::Rgb8;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Part of the program; the licence lies beside it.
const FONT: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");

/// What draws.
#[derive(Debug)]
pub struct Pen {
    font: FontVec,
}

impl Pen {
    /// With the font that is part of the program, or with a TrueType or OpenType file.
    ///
    /// # Errors
    /// [`Usage`]: a file that can't be read or is no font.
    pub fn new(font: Option<&Path>) -> Result<Self> {
        let bytes = match font {
            None => FONT.to_vec(),
            Some(path) => std::fs::read(path).map_err(|error| {
                Usage(format!("--font: can't read {}: {error}", path.display()))
            })?,
        };
        let parsed = FontRef::try_from_slice(&bytes).is_ok().then(|| FontVec::try_from_vec(bytes));
        let Some(Ok(font)) = parsed else {
            let path = font.map_or_else(|| "the font".into(), |path| path.display().to_string());
            let text = format!("--font: {path}: expected a TrueType or OpenType font");
            return Err(Usage(text).into());
        };
        Ok(Self { font })
    }
}

/// A colour for a class: neighbours in number are far from each other in hue.
pub fn colour(class: usize) -> Rgb<u8> {
    // The golden angle, and three strengths in turn.
    let hue = (class as f32 * 137.507_76) % 360.0;
    let (saturation, value) = [(0.85, 0.95), (0.65, 0.8), (0.95, 0.7)][class % 3];
    let channel = |shift: f32| {
        let k = (shift + hue / 60.0) % 6.0;
        let part = k.min(4.0 - k).clamp(0.0, 1.0);
        (255.0 * value * (1.0 - saturation * part)) as u8
    };
    Rgb([channel(5.0), channel(3.0), channel(1.0)])
}

/// Black or white, whichever can be read on a colour.
fn ink(Rgb([r, g, b]): Rgb<u8>) -> Rgb<u8> {
    let light = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    if light > 140.0 { Rgb([0; 3]) } else { Rgb([255; 3]) }
}

/// Letters that can be read on a picture of a size.
fn letters(width: u32, height: u32) -> PxScale {
    PxScale::from((width.min(height) as f32 / 28.0).clamp(13.0, 64.0))
}

/// A copy to draw on.
fn canvas(picture: &Rgb8) -> Result<RgbImage> {
    RgbImage::from_raw(picture.width(), picture.height(), picture.pixels().to_vec())
        .context("a picture whose bytes do not fit its size")
}

/// As a PNG file.
///
/// # Errors
/// What the encoder says.
pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_differ() {
        let colours: std::collections::BTreeSet<_> = (0..150).map(|i| colour(i).0).collect();
        assert!(colours.len() > 145, "{} colours", colours.len());
        let distance = |a: Rgb<u8>, b: Rgb<u8>| -> i32 {
            a.0.iter().zip(b.0).map(|(&a, b)| (i32::from(a) - i32::from(b)).abs()).sum()
        };
        assert!((0..150).all(|i| distance(colour(i), colour(i + 1)) > 100));
    }

    #[test]
    fn fonts_that_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("font.ttf");
        std::fs::write(&file, "no font").unwrap();
        for path in [file.as_path(), Path::new("no/such/font.ttf")] {
            assert!(Pen::new(Some(path)).unwrap_err().is::<Usage>());
        }
    }
}
