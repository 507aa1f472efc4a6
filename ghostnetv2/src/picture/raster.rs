//! PNG, WebP, GIF, BMP and TIFF, by the `image` crate, in Pillow's colours.

use super::decode::picture;
use super::format::Format;
use super::{DecodeOptions, PictureFault, Rgb8};
use image::codecs::{
    bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use image::error::{ImageError, LimitErrorKind, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, Limits};
use std::error::Error;
use std::io::{self, Cursor};

/// Memory of a decoder besides the picture: tables, a row or a frame of its own.
const OVERHEAD: u64 = 64 << 20;

pub(super) fn decode(
    format: Format,
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<(Rgb8, Orientation), PictureFault> {
    let reader = Cursor::new(bytes);
    let to_fault = |error| fault(format, &error, options);
    match format {
        Format::Png => {
            let mut limits = Limits::default();
            limits.max_alloc = Some(options.max_pixels.saturating_mul(8).saturating_add(OVERHEAD));
            read(format, PngDecoder::with_limits(reader, limits).map_err(to_fault)?, options)
        }
        Format::WebP => read(format, WebPDecoder::new(reader).map_err(to_fault)?, options),
        Format::Gif => read(format, GifDecoder::new(reader).map_err(to_fault)?, options),
        Format::Bmp => read(format, BmpDecoder::new(reader).map_err(to_fault)?, options),
        Format::Tiff => read(format, TiffDecoder::new(reader).map_err(to_fault)?, options),
        Format::Jpeg => {
            Err(PictureFault::Unsupported { format: "JPEG", feature: "this way".into() })
        }
    }
}

fn read(
    format: Format,
    mut decoder: impl ImageDecoder,
    options: &DecodeOptions,
) -> Result<(Rgb8, Orientation), PictureFault> {
    let to_fault = |error| fault(format, &error, options);
    let (width, height) = decoder.dimensions();
    options.check_size(width.into(), height.into())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(decoder.total_bytes().saturating_mul(2).saturating_add(OVERHEAD));
    decoder.set_limits(limits).map_err(to_fault)?;
    // A picture with bad metadata is a picture all the same.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    let len = usize::try_from(decoder.total_bytes()).map_err(|_| PictureFault::TooManyPixels {
        width: width.into(),
        height: height.into(),
        limit: options.max_pixels,
    })?;
    let mut raw = vec![0; len];
    if let Err(error) = decoder.read_image(&mut raw)
        && !(options.allow_truncated && is_truncation(&error))
    {
        return Err(to_fault(error));
    }
    let Some(pixels) = rgb(color, &raw) else {
        let feature = format!("{color:?} samples");
        return Err(PictureFault::Unsupported { format: format.name(), feature });
    };
    Ok((picture(width, height, pixels)?, orientation))
}

/// Alpha is dropped, not blended, as Pillow does; so is the low byte of 16-bit colours. 16-bit
/// grey is scaled.
fn rgb(color: ColorType, raw: &[u8]) -> Option<Vec<u8>> {
    let wide = |i: usize, pixel: &[u8]| u16::from_ne_bytes([pixel[2 * i], pixel[2 * i + 1]]);
    let high = |i: usize, pixel: &[u8]| (wide(i, pixel) >> 8) as u8;
    let scaled = |pixel: &[u8]| ((u32::from(wide(0, pixel)) + 128) / 257) as u8;
    let map = |bytes: usize, convert: &dyn Fn(&[u8]) -> [u8; 3]| {
        raw.chunks_exact(bytes).flat_map(convert).collect()
    };
    Some(match color {
        ColorType::Rgb8 => raw.to_vec(),
        ColorType::L8 => map(1, &|p| [p[0]; 3]),
        ColorType::La8 => map(2, &|p| [p[0]; 3]),
        ColorType::Rgba8 => map(4, &|p| [p[0], p[1], p[2]]),
        ColorType::L16 => map(2, &|p| [scaled(p); 3]),
        ColorType::La16 => map(4, &|p| [high(0, p); 3]),
        ColorType::Rgb16 => map(6, &|p| [high(0, p), high(1, p), high(2, p)]),
        ColorType::Rgba16 => map(8, &|p| [high(0, p), high(1, p), high(2, p)]),
        _ => return None,
    })
}

fn is_truncation(error: &ImageError) -> bool {
    if let ImageError::IoError(error) = error {
        return error.kind() == io::ErrorKind::UnexpectedEof;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = error.source();
    }
    error.to_string().contains("unexpected end of file")
}

fn fault(format: Format, error: &ImageError, options: &DecodeOptions) -> PictureFault {
    let format = format.name();
    if is_truncation(error) {
        return PictureFault::Truncated { format };
    }
    match error {
        ImageError::Unsupported(error) => {
            PictureFault::Unsupported { format, feature: feature(&error.kind()) }
        }
        ImageError::Limits(error) if error.kind() == LimitErrorKind::InsufficientMemory => {
            let limit = options.max_pixels;
            PictureFault::Unsupported {
                format,
                feature: format!("more data than {limit} pixels need"),
            }
        }
        other => PictureFault::Corrupt { format, detail: other.to_string() },
    }
}

/// What an unsupported picture has.
fn feature(kind: &UnsupportedErrorKind) -> String {
    match kind {
        UnsupportedErrorKind::Color(color) => format!("{color:?} colours"),
        UnsupportedErrorKind::GenericFeature(feature) => feature.clone(),
        other => format!("{other:?}"),
    }
}
