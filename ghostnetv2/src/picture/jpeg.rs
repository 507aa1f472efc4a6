//! JPEG, by zune-jpeg in its strict mode.

use super::decode::picture;
use super::{DecodeOptions, PictureFault, Rgb8, jpeg_scans};
use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::{DecodeErrors, UnsupportedSchemes};

const NAME: &str = "JPEG";
/// The longest side that the format can express.
const MAX_SIDE: usize = 65_535;

pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<(Rgb8, Orientation), PictureFault> {
    jpeg_scans::check(bytes)?;
    let zune = DecoderOptions::default()
        .set_strict_mode(!options.allow_truncated)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), zune);
    decoder.decode_headers().map_err(fault)?;
    let Some((width, height)) = decoder.dimensions() else {
        return Err(PictureFault::Corrupt { format: NAME, detail: "no frame".into() });
    };
    options.check_size(width as u64, height as u64)?;
    let pixels = decoder.decode().map_err(fault)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    // Sides are at most MAX_SIDE.
    let picture = picture(width as u32, height as u32, pixels)?;
    Ok((picture, orientation.unwrap_or(Orientation::NoTransforms)))
}

fn fault(error: DecodeErrors) -> PictureFault {
    match error {
        DecodeErrors::ExhaustedData => PictureFault::Truncated { format: NAME },
        DecodeErrors::Unsupported(scheme) => unsupported(&scheme),
        other => {
            let detail = other.to_string().trim_matches('"').to_owned();
            // zune-jpeg has one kind for most things that can be wrong.
            if detail.to_lowercase().contains("premature") {
                PictureFault::Truncated { format: NAME }
            } else {
                PictureFault::Corrupt { format: NAME, detail }
            }
        }
    }
}

fn unsupported(scheme: &UnsupportedSchemes) -> PictureFault {
    PictureFault::Unsupported { format: NAME, feature: format!("{scheme:?}") }
}
