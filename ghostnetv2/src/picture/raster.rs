//! PNG, WebP and BMP, which the decoders of `image` read as Pillow does.

use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::{DecodeOptions, Decoded, PictureFault, Rgb8, convert};

/// Memory for what is beside the pixels: headers, profiles, tables.
const SPARE_BYTES: u64 = 64 << 20;

/// Most bytes per pixel that a decoder puts out: four 16-bit channels.
const BYTES_PER_PIXEL: u64 = 8;

/// Where a PNG file says what its channels are, and what it says of gray.
const PNG_COLOUR_TYPE: (usize, u8) = (25, 0);

/// Turns samples into RGB.
type Convert = fn(ColorType, Vec<u8>) -> Option<Vec<u8>>;

/// Decodes a PNG file; of an animation, the picture for programs that do not animate.
pub(super) fn png(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits(options))
        .map_err(|error| fault("PNG", error))?;
    let (position, gray) = PNG_COLOUR_TYPE;
    let is_gray = bytes.get(position) == Some(&gray);
    let convert = if is_gray { convert::gray_to_rgb } else { convert::to_rgb };
    read("PNG", decoder, convert, options)
}

/// Decodes a WebP file.
pub(super) fn webp(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    check_container(bytes, options)?;
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fault("WebP", error))?;
    read("WebP", decoder, convert::to_rgb, options)
}

/// Decodes a BMP file.
pub(super) fn bmp(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, PictureFault> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(|error| fault("BMP", error))?;
    read("BMP", decoder, convert::to_rgb, options)
}

fn limits(options: &DecodeOptions) -> Limits {
    let mut limits = Limits::no_limits();
    let pixels = options.max_pixels.saturating_mul(BYTES_PER_PIXEL);
    limits.max_alloc = Some(pixels.saturating_add(SPARE_BYTES));
    limits
}

/// Refuses a WebP file that is shorter than its container says. The decoder would not notice the
/// last missing byte of lossy data, nor missing chunks behind it.
fn check_container(bytes: &[u8], options: &DecodeOptions) -> Result<(), PictureFault> {
    let length = bytes.get(4..).and_then(<[u8]>::first_chunk).copied().map(u32::from_le_bytes);
    let is_whole = length.is_some_and(|length| u64::from(length) + 8 <= bytes.len() as u64);
    if is_whole || options.allow_truncated {
        return Ok(());
    }
    Err(PictureFault::Truncated { format: "WebP" })
}

fn read(
    format: &'static str,
    mut decoder: impl ImageDecoder,
    convert: Convert,
    options: &DecodeOptions,
) -> Result<Decoded, PictureFault> {
    let (width, height) = decoder.dimensions();
    options.check_pixels(width.into(), height.into())?;
    decoder.set_limits(limits(options)).map_err(|error| fault(format, error))?;
    let colour = decoder.color_type();
    let orientation = decoder.orientation().ok();
    let unsupported = || PictureFault::unsupported(format, format!("colours as {colour:?}"));
    let length = usize::try_from(decoder.total_bytes()).map_err(|_| unsupported())?;
    let mut samples = vec![0; length];
    if let Err(error) = decoder.read_image(&mut samples) {
        // The decoder has filled what it could.
        match fault(format, error) {
            PictureFault::Truncated { .. } if options.allow_truncated => {}
            fault => return Err(fault),
        }
    }
    let pixels = convert(colour, samples).ok_or_else(unsupported)?;
    let picture = Rgb8::new(width, height, pixels)
        .map_err(|_| PictureFault::corrupt(format, format!("a size of {width}x{height}")))?;
    Ok(Decoded { picture, orientation })
}

fn fault(format: &'static str, error: ImageError) -> PictureFault {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            PictureFault::Truncated { format }
        }
        ImageError::Unsupported(error) => PictureFault::unsupported(format, error),
        error => PictureFault::corrupt(format, error),
    }
}
