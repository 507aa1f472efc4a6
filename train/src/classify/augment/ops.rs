//! What can be done to the colours of a picture, as Pillow does it.

use super::with_pixels;
use candle::Result;
use ghostnetv2::picture::Rgb8;

/// An operation on the colours of a picture: the bytes of Pillow 13's `ImageOps` and
/// `ImageEnhance`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The darkest value of each colour becomes 0, the brightest 255.
    AutoContrast,
    /// Every value of each colour becomes equally frequent.
    Equalize,
    /// Negative.
    Invert,
    /// Keeps so many bits of each value.
    Posterize(u8),
    /// Inverts values from this one on.
    Solarize(u16),
    /// Adds so much to values below 128.
    SolarizeAdd(u8),
    /// Between black (0) and the picture (1), and beyond.
    Brightness(f32),
    /// Between the mean gray (0) and the picture (1), and beyond.
    Contrast(f32),
    /// Between the gray picture (0) and the picture (1), and beyond.
    Colour(f32),
    /// Between the smoothed picture (0) and the picture (1), and beyond.
    Sharpness(f32),
}

impl Op {
    /// The picture after the operation.
    ///
    /// # Errors
    /// None in practice: a picture stays as large as it is.
    pub fn apply(self, picture: &Rgb8) -> Result<Rgb8> {
        let pixels = picture.pixels();
        let each = |change: &dyn Fn(u8) -> u8| pixels.iter().map(|&v| change(v)).collect();
        let changed = match self {
            Self::AutoContrast => by_colour(pixels, stretched),
            Self::Equalize => by_colour(pixels, equalized),
            Self::Invert => each(&|v| 255 - v),
            Self::Posterize(bits) if bits < 8 => {
                let mask = !(0xff_u8 >> bits);
                each(&|v| v & mask)
            }
            Self::Posterize(_) => return Ok(picture.clone()),
            Self::Solarize(from) => each(&|v| if u16::from(v) < from { v } else { 255 - v }),
            Self::SolarizeAdd(added) => {
                each(&|v| if v < 128 { v.saturating_add(added) } else { v })
            }
            Self::Brightness(factor) => each(&|v| blend(0, v, factor)),
            Self::Contrast(factor) => {
                let grays = pixels.chunks_exact(3).map(|p| u64::from(gray(p)));
                let mean = grays.sum::<u64>() as f64 / (pixels.len() / 3).max(1) as f64;
                let mean = (mean + 0.5) as u8;
                each(&|v| blend(mean, v, factor))
            }
            Self::Colour(factor) => {
                let blended = |p: &[u8]| {
                    let gray = gray(p);
                    [0, 1, 2].map(|i| blend(gray, p[i], factor))
                };
                pixels.chunks_exact(3).flat_map(blended).collect()
            }
            Self::Sharpness(factor) => {
                let smooth = smoothed(picture);
                smooth.iter().zip(pixels).map(|(&s, &v)| blend(s, v, factor)).collect()
            }
        };
        with_pixels(picture, changed)
    }
}

/// `Image.blend`: its truncation too.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    (f32::from(from) + factor * (f32::from(to) - f32::from(from))) as u8
}

/// `convert("L")`.
fn gray(pixel: &[u8]) -> u8 {
    let [r, g, b] = [0, 1, 2].map(|i| u32::from(pixel[i]));
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// Through a table for each colour, made of how often its values are there.
fn by_colour(pixels: &[u8], table: fn(&[usize; 256]) -> Option<[u8; 256]>) -> Vec<u8> {
    let mut changed = pixels.to_vec();
    for colour in 0..3 {
        let mut counts = [0; 256];
        pixels.iter().skip(colour).step_by(3).for_each(|&v| counts[usize::from(v)] += 1);
        if let Some(table) = table(&counts) {
            let values = changed.iter_mut().skip(colour).step_by(3);
            values.for_each(|v| *v = table[usize::from(*v)]);
        }
    }
    changed
}

fn stretched(counts: &[usize; 256]) -> Option<[u8; 256]> {
    let low = counts.iter().position(|&count| count > 0)?;
    let high = counts.iter().rposition(|&count| count > 0)?;
    if high <= low {
        return None;
    }
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    // A number becomes an integer as Python's `int` does it.
    Some(std::array::from_fn(|v| (v as f64 * scale + offset) as u8))
}

fn equalized(counts: &[usize; 256]) -> Option<[u8; 256]> {
    let filled: Vec<usize> = counts.iter().copied().filter(|&count| count > 0).collect();
    let (_, others) = filled.split_last()?;
    let step = others.iter().sum::<usize>() / 255;
    if others.is_empty() || step == 0 {
        return None;
    }
    let mut sum = step / 2;
    Some(std::array::from_fn(|v| {
        let value = (sum / step).min(255) as u8;
        sum += counts[v];
        value
    }))
}

/// `ImageFilter.SMOOTH`: the middle five times, its eight neighbours once; the border stays.
fn smoothed(picture: &Rgb8) -> Vec<u8> {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let pixels = picture.pixels();
    let mut smooth = pixels.to_vec();
    let stride = width * 3;
    for y in 1..height.saturating_sub(1) {
        for i in 3..stride.saturating_sub(3) {
            let at = y * stride + i;
            let row = |at: usize| [at - 3, at, at + 3].map(|i| u32::from(pixels[i])).iter().sum();
            let rows: [u32; 3] = [row(at - stride), row(at), row(at + stride)];
            let sum = rows.iter().sum::<u32>() + 4 * u32::from(pixels[at]);
            smooth[at] = (sum as f32 / 13.0 + 0.5) as u8;
        }
    }
    smooth
}
