//! Conversions of pixels, with Pillow's rounding.

use image::ColorType;

/// Samples as the decoders of `image` give them, 16-bit ones in native order, as RGB bytes.
///
/// `None` for colours that no decoder here gives.
pub(super) fn to_rgb(colour: ColorType, samples: Vec<u8>) -> Option<Vec<u8>> {
    Some(match colour {
        ColorType::Rgb8 => samples,
        ColorType::Rgba8 => leading_bytes::<4, 3>(&samples),
        ColorType::L8 => grays(samples),
        ColorType::La8 => grays(leading_bytes::<2, 1>(&samples)),
        ColorType::L16 => grays(words(&samples).map(scaled_word).collect()),
        // Of several 16-bit channels, Pillow takes the high bytes.
        ColorType::La16 => grays(leading_bytes::<2, 1>(&high_bytes(&samples))),
        ColorType::Rgb16 => high_bytes(&samples),
        ColorType::Rgba16 => leading_bytes::<4, 3>(&high_bytes(&samples)),
        _ => return None,
    })
}

/// The same for gray pictures, whose alpha, if any, was made of a transparent level: 16-bit gray
/// remains a single channel.
pub(super) fn gray_to_rgb(colour: ColorType, samples: Vec<u8>) -> Option<Vec<u8>> {
    match colour {
        ColorType::La16 => Some(grays(words(&samples).step_by(2).map(scaled_word).collect())),
        _ => to_rgb(colour, samples),
    }
}

/// 16-bit words in native order.
pub(super) fn words(samples: &[u8]) -> impl Iterator<Item = u16> {
    samples.as_chunks::<2>().0.iter().map(|&word| u16::from_ne_bytes(word))
}

/// A 16-bit level as 8 bits, rounded.
pub(super) fn scaled_word(word: u16) -> u8 {
    ((u32::from(word) + 128) / 257) as u8
}

/// The high byte of every 16-bit word.
pub(super) fn high_bytes(samples: &[u8]) -> Vec<u8> {
    words(samples).map(|word| (word >> 8) as u8).collect()
}

/// The first `KEPT` of every `COUNT` bytes.
pub(super) fn leading_bytes<const COUNT: usize, const KEPT: usize>(samples: &[u8]) -> Vec<u8> {
    samples.as_chunks::<COUNT>().0.iter().flat_map(|pixel| &pixel[..KEPT]).copied().collect()
}

/// Gray levels as RGB.
pub(super) fn grays(levels: Vec<u8>) -> Vec<u8> {
    levels.into_iter().flat_map(|level| [level; 3]).collect()
}

/// Cyan, magenta, yellow and black (0 is no ink) to RGB.
pub(super) fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let paper = u32::from(255 - k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * paper + 128;
        // Divided by 255, rounded.
        let absorbed = ((product >> 8) + product) >> 8;
        paper.saturating_sub(absorbed) as u8
    })
}
