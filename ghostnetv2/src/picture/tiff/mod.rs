//! The first picture of a TIFF file.

mod jpeg_chunks;
mod palette;
mod pixels;

use std::io::{Cursor, ErrorKind};

use ::tiff::TiffError;
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::{CompressionMethod, PhotometricInterpretation, Tag};
use image::metadata::Orientation;

use super::{DecodeOptions, Decoded, PictureFault, Rgb8, exif};

/// Memory for what is beside the pixels: tags, and compressed strips.
const SPARE_BYTES: usize = 64 << 20;

/// Most bytes per pixel that are read: five 16-bit channels.
const BYTES_PER_PIXEL: usize = 10;

type FileDecoder<'a> = Decoder<Cursor<&'a [u8]>>;

/// Decodes the first picture of a file, upright as its own tag says.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(fault)?;
    let (width, height) = decoder.dimensions().map_err(fault)?;
    options.check_pixels(width.into(), height.into())?;
    let mut decoder = decoder.with_limits(limits(width, height));
    let turn = unsigned(&mut decoder, Tag::Orientation)?;
    let photometric = unsigned(&mut decoder, Tag::PhotometricInterpretation)?
        .and_then(PhotometricInterpretation::from_u16);
    let compression = unsigned(&mut decoder, Tag::Compression)?;

    let pixels = match (compression.map(CompressionMethod::from_u16_exhaustive), photometric) {
        (Some(CompressionMethod::ModernJPEG), _) => {
            jpeg_chunks::decode(bytes, &mut decoder, photometric, options)?
        }
        (_, Some(PhotometricInterpretation::RGBPalette)) => {
            palette::decode(bytes, &mut decoder, options)?
        }
        _ => {
            let colours = decoder.colortype().map_err(fault)?;
            let samples = read_samples(&mut decoder, options)?;
            let alpha = unsigned_list(&mut decoder, Tag::ExtraSamples)?.first().copied();
            pixels::to_rgb(colours, samples, width as usize, alpha)?
        }
    };
    let picture = Rgb8::new(width, height, pixels)
        .map_err(|_| corrupt(format!("data that does not fill {width}x{height} pixels")))?;
    let turn = turn.and_then(|turn| Orientation::from_exif(turn.try_into().ok()?));
    let turn = turn.unwrap_or(Orientation::NoTransforms);
    Ok(Decoded { picture: exif::upright(picture, turn), orientation: None })
}

/// Uncompressed samples, row by row, each row padded to whole bytes.
struct Samples {
    bytes: Vec<u8>,
    stride: usize,
}

fn read_samples(
    decoder: &mut FileDecoder<'_>,
    options: &DecodeOptions,
) -> Result<Samples, PictureFault> {
    let mut buffer = DecodingResult::U8(Vec::new());
    let read = decoder.read_image_to_buffer(&mut buffer);
    let layout = match read.map_err(fault) {
        Ok(layout) => layout,
        // The decoder has filled what it could.
        Err(PictureFault::Truncated { .. }) if options.allow_truncated => {
            decoder.image_buffer_layout().map_err(fault)?
        }
        Err(fault) => return Err(fault),
    };
    let (Some(stride), Some(plane)) = (layout.row_stride, layout.plane_stride) else {
        return Err(corrupt("rows without length"));
    };
    let bytes = buffer.as_buffer(0).as_bytes().to_vec();
    if layout.planes == 1 {
        return Ok(Samples { bytes, stride: stride.get() });
    }
    if bytes.len() < layout.complete_len {
        return Err(unsupported("planes that are too large"));
    }
    let width = decoder.colortype().map_err(fault)?.bit_depth().div_ceil(8).into();
    let bytes = interleaved(&bytes, plane.get(), layout.planes, width);
    Ok(Samples { bytes, stride: stride.get() * layout.planes })
}

/// Brings the samples of each pixel together that lie in `count` planes of `plane` bytes.
fn interleaved(bytes: &[u8], plane: usize, count: usize, sample: usize) -> Vec<u8> {
    let planes: Vec<_> = bytes.chunks_exact(plane).take(count).collect();
    let mut joined = Vec::with_capacity(bytes.len());
    for position in (0..plane / sample * sample).step_by(sample) {
        for plane in &planes {
            joined.extend_from_slice(&plane[position..position + sample]);
        }
    }
    joined
}

fn limits(width: u32, height: u32) -> Limits {
    let pixels = (width as usize).saturating_mul(height as usize);
    let mut limits = Limits::default();
    // Tags count here, too.
    limits.decoding_buffer_size =
        pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(SPARE_BYTES);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    limits.ifd_value_size = SPARE_BYTES;
    limits
}

fn unsigned(decoder: &mut FileDecoder<'_>, tag: Tag) -> Result<Option<u16>, PictureFault> {
    Ok(unsigned_list(decoder, tag)?.first().copied())
}

fn unsigned_list(decoder: &mut FileDecoder<'_>, tag: Tag) -> Result<Vec<u16>, PictureFault> {
    Ok(decoder.find_tag_unsigned_vec(tag).map_err(fault)?.unwrap_or_default())
}

fn fault(error: TiffError) -> PictureFault {
    match error {
        TiffError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            PictureFault::Truncated { format: "TIFF" }
        }
        TiffError::UnsupportedError(error) => unsupported(error),
        TiffError::LimitsExceeded => unsupported("more data than its size justifies"),
        error => corrupt(error),
    }
}

fn corrupt(detail: impl ToString) -> PictureFault {
    PictureFault::corrupt("TIFF", detail)
}

fn unsupported(feature: impl ToString) -> PictureFault {
    PictureFault::unsupported("TIFF", feature)
}
