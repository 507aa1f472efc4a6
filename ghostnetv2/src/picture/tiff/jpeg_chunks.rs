//! TIFF files whose strips or tiles are JPEG files.

use ::tiff::tags::{PhotometricInterpretation, PlanarConfiguration, Tag};

use super::{FileDecoder, corrupt, fault, unsigned, unsupported};
use crate::picture::jpeg::{self, Colours};
use crate::picture::{DecodeOptions, PictureFault, Rgb8};

/// RGB bytes of the whole picture.
pub(super) fn decode(
    bytes: &[u8],
    decoder: &mut FileDecoder<'_>,
    photometric: Option<PhotometricInterpretation>,
    options: &DecodeOptions,
) -> Result<Vec<u8>, PictureFault> {
    let colours = match photometric {
        Some(PhotometricInterpretation::BlackIsZero) => Colours::Gray,
        Some(PhotometricInterpretation::RGB) => Colours::Rgb,
        Some(PhotometricInterpretation::YCbCr) => Colours::YCbCr,
        other => return Err(unsupported(format!("JPEG data as {other:?}"))),
    };
    let planar = unsigned(decoder, Tag::PlanarConfiguration)?;
    if planar == Some(PlanarConfiguration::Planar.to_u16()) {
        return Err(unsupported("JPEG data in planes"));
    }
    let (width, height) = decoder.dimensions().map_err(fault)?;
    let (chunk_width, chunk_height) = decoder.chunk_dimensions();
    let tables = match decoder.find_tag(Tag::JPEGTables).map_err(fault)? {
        Some(tables) => tables.into_u8_vec().map_err(fault)?,
        None => Vec::new(),
    };
    let mut canvas = Canvas::new(width, height);
    let columns = width.div_ceil(chunk_width.max(1));
    for (number, chunk) in (0..).zip(chunks(bytes, decoder)?) {
        let data = with_tables(&tables, chunk?);
        let decoded = jpeg::decode_as(&data, options, Some(colours))?.picture;
        canvas.paste(&decoded, number % columns * chunk_width, number / columns * chunk_height)?;
    }
    Ok(canvas.pixels)
}

/// The bytes of every strip or tile.
fn chunks<'a>(
    bytes: &'a [u8],
    decoder: &mut FileDecoder<'_>,
) -> Result<impl Iterator<Item = Result<&'a [u8], PictureFault>> + use<'a>, PictureFault> {
    let mut list = |strips, tiles| match decoder.find_tag(tiles).map_err(fault)? {
        Some(tiles) => tiles.into_u64_vec().map_err(fault),
        None => decoder.get_tag_u64_vec(strips).map_err(fault),
    };
    let offsets = list(Tag::StripOffsets, Tag::TileOffsets)?;
    let lengths = list(Tag::StripByteCounts, Tag::TileByteCounts)?;
    Ok(offsets.into_iter().zip(lengths).map(|(offset, length)| {
        let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
        range
            .and_then(|(offset, length)| bytes.get(offset..)?.get(..length))
            .ok_or(PictureFault::Truncated { format: "TIFF" })
    }))
}

/// A chunk that has the tables which all chunks share: they come in a JPEG file without picture,
/// whose end marker is left out with the chunk's start marker.
fn with_tables(tables: &[u8], chunk: &[u8]) -> Vec<u8> {
    match (tables.strip_suffix(&[0xff, 0xd9]), chunk.strip_prefix(&[0xff, 0xd8])) {
        (Some(tables), Some(chunk)) => [tables, chunk].concat(),
        _ => chunk.to_vec(),
    }
}

/// The whole picture, while chunks come in.
struct Canvas {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { pixels: vec![0; width * height * 3], width, height }
    }

    /// Puts a chunk where it belongs; what reaches beyond the picture is padding.
    fn paste(&mut self, chunk: &Rgb8, left: u32, top: u32) -> Result<(), PictureFault> {
        let (left, top) = (left as usize, top as usize);
        let used = (chunk.width() as usize).min(self.width.saturating_sub(left)) * 3;
        let rows = self.pixels.chunks_exact_mut(self.width * 3).skip(top);
        if used == 0 || top >= self.height {
            return Err(corrupt("a strip or tile outside of the picture"));
        }
        for (row, chunk) in rows.zip(chunk.pixels().chunks_exact(chunk.stride())) {
            row[left * 3..left * 3 + used].copy_from_slice(&chunk[..used]);
        }
        Ok(())
    }
}
