//! Palette pictures, which the decoder refuses to read: it is told that they are gray.

use std::io::Cursor;

use ::tiff::ColorType;
use ::tiff::decoder::Decoder;
use ::tiff::tags::{ByteOrder, Tag};

use super::{FileDecoder, corrupt, fault, pixels, read_samples, unsigned_list, unsupported};
use crate::picture::{DecodeOptions, PictureFault};

/// Number of the tag that says how samples are to be seen.
const PHOTOMETRIC: u16 = 262;

/// Its value where the highest level is white.
const BLACK_IS_ZERO: u16 = 1;

/// RGB bytes of a palette picture.
pub(super) fn decode(
    bytes: &[u8],
    decoder: &mut FileDecoder<'_>,
    options: &DecodeOptions,
) -> Result<Vec<u8>, PictureFault> {
    let map = unsigned_list(decoder, Tag::ColorMap)?;
    let (width, height) = decoder.dimensions().map_err(fault)?;
    let disguised = disguise(bytes, decoder)?;
    let mut gray = Decoder::new(Cursor::new(&disguised[..])).map_err(fault)?;
    gray = gray.with_limits(super::limits(width, height));
    let ColorType::Gray(bits @ (1 | 2 | 4 | 8)) = gray.colortype().map_err(fault)? else {
        return Err(unsupported("a palette of such samples"));
    };
    let samples = read_samples(&mut gray, options)?;
    // First all reds, then all greens, then all blues.
    let count = map.len() / 3;
    let colour = |index: u8| {
        [0, 1, 2].map(|channel| {
            let index = usize::from(index);
            let level = map.get(channel * count + index).filter(|_| index < count);
            level.map_or(0, |level| (level >> 8) as u8)
        })
    };
    Ok(pixels::unpacked(&samples, width as usize, bits).into_iter().flat_map(colour).collect())
}

/// A copy of the file that claims to hold gray levels.
fn disguise(bytes: &[u8], decoder: &mut FileDecoder<'_>) -> Result<Vec<u8>, PictureFault> {
    let order = decoder.byte_order();
    let start = decoder.ifd_pointer().map(|pointer| pointer.0);
    let value = start
        .and_then(|start| photometric_value(bytes, usize::try_from(start).ok()?, order))
        .ok_or_else(|| corrupt("a directory that cannot be found again"))?;
    let mut copy = bytes.to_vec();
    copy[value..value + 2].copy_from_slice(&match order {
        ByteOrder::LittleEndian => BLACK_IS_ZERO.to_le_bytes(),
        ByteOrder::BigEndian => BLACK_IS_ZERO.to_be_bytes(),
    });
    Ok(copy)
}

/// Where the value of the photometric tag lies, in the directory at `start`.
fn photometric_value(bytes: &[u8], start: usize, order: ByteOrder) -> Option<usize> {
    let word = |at: usize| {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match order {
            ByteOrder::LittleEndian => u16::from_le_bytes(word),
            ByteOrder::BigEndian => u16::from_be_bytes(word),
        })
    };
    // BigTIFF has wider counts and entries.
    let (first, length, value) = if word(2)? == 43 { (8, 20, 12) } else { (2, 12, 8) };
    let entries = (start.checked_add(first)?..bytes.len()).step_by(length);
    let entry = entries.into_iter().find(|&entry| word(entry) == Some(PHOTOMETRIC))?;
    word(entry + value).map(|_| entry + value)
}
