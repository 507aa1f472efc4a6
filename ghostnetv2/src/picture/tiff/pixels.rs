//! From a TIFF's samples to RGB.

use ::tiff::ColorType;

use super::{Samples, unsupported};
use crate::picture::{PictureFault, convert};

/// The value of the extra-samples tag for colours that were multiplied by alpha.
const ASSOCIATED_ALPHA: u16 = 1;

/// RGB bytes of rows of `width` pixels. `extra` says what the first extra sample is.
pub(super) fn to_rgb(
    colours: ColorType,
    samples: Samples,
    width: usize,
    extra: Option<u16>,
) -> Result<Vec<u8>, PictureFault> {
    let is_associated = extra == Some(ASSOCIATED_ALPHA);
    Ok(match colours {
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            let scale = u8::MAX / (u8::MAX >> (8 - bits));
            let levels = unpacked(&samples, width, bits);
            convert::grays(levels.into_iter().map(|level| level * scale).collect())
        }
        ColorType::Gray(8) => convert::grays(samples.bytes),
        ColorType::Gray(16) => {
            convert::grays(convert::words(&samples.bytes).map(convert::scaled_word).collect())
        }
        ColorType::Multiband { bit_depth: 8, num_samples: 2 } if !is_associated => {
            convert::grays(convert::leading_bytes::<2, 1>(&samples.bytes))
        }
        ColorType::RGB(8) => samples.bytes,
        ColorType::RGB(16) => convert::high_bytes(&samples.bytes),
        ColorType::RGBA(8) => without_alpha(&samples.bytes, is_associated),
        ColorType::RGBA(16) => without_alpha(&convert::high_bytes(&samples.bytes), is_associated),
        ColorType::CMYK(8) => from_inks::<4>(&samples.bytes),
        ColorType::CMYK(16) => from_inks::<4>(&convert::high_bytes(&samples.bytes)),
        ColorType::CMYKA(8) => from_inks::<5>(&samples.bytes),
        other => return Err(unsupported(format!("samples of kind {other:?}"))),
    })
}

/// One byte per sample of `bits` bits, of rows of `width` samples.
pub(super) fn unpacked(samples: &Samples, width: usize, bits: u8) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let mask = u8::MAX >> (8 - bits);
    let mut levels = Vec::with_capacity(samples.bytes.len() * per_byte);
    for row in samples.bytes.chunks_exact(samples.stride) {
        levels.extend((0..width).map(|x| {
            let shift = 8 - usize::from(bits) * (x % per_byte + 1);
            row[x / per_byte] >> shift & mask
        }));
    }
    levels
}

fn without_alpha(samples: &[u8], is_associated: bool) -> Vec<u8> {
    if !is_associated {
        return convert::leading_bytes::<4, 3>(samples);
    }
    let divided = |level: u8, alpha: u8| {
        let level = (u32::from(level) * 255).checked_div(alpha.into()).unwrap_or(0);
        level.min(255) as u8
    };
    samples
        .as_chunks()
        .0
        .iter()
        .flat_map(|&[red, green, blue, alpha]| [red, green, blue].map(|c| divided(c, alpha)))
        .collect()
}

fn from_inks<const COUNT: usize>(samples: &[u8]) -> Vec<u8> {
    let inks = convert::leading_bytes::<COUNT, 4>(samples);
    inks.as_chunks().0.iter().flat_map(|&inks| convert::cmyk_to_rgb(inks)).collect()
}
