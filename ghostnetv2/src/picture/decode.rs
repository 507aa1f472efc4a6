//! From bytes to pixels, whatever the format.

use super::format::Format;
use super::guard::guarded;
use super::{DecodeOptions, Exif, PictureError, PictureFault, Rgb8, jpeg, raster};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

/// Decodes a picture that is in memory; of an animation, the first frame.
///
/// # Errors
/// [`PictureError`] that says what is wrong and what to do.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Rgb8, PictureError> {
    decode_bytes(bytes, options).map_err(PictureError::in_memory)
}

pub(super) fn decode_bytes(bytes: &[u8], options: &DecodeOptions) -> Result<Rgb8, PictureFault> {
    let format = Format::of(bytes)?;
    let (picture, orientation) = guarded(format.name(), || match format {
        Format::Jpeg => jpeg::decode(bytes, options),
        other => raster::decode(other, bytes, options),
    })?;
    // Pillow turns TIFF on loading, and nothing else.
    let turn = options.exif == Exif::Apply || format == Format::Tiff;
    if turn && orientation != Orientation::NoTransforms {
        return turned(picture, orientation);
    }
    Ok(picture)
}

/// Size and pixels as a picture.
pub(super) fn picture(width: u32, height: u32, pixels: Vec<u8>) -> Result<Rgb8, PictureFault> {
    let found = pixels.len();
    Rgb8::new(width, height, pixels).map_err(|_| PictureFault::WrongLength { width, height, found })
}

fn turned(upright: Rgb8, orientation: Orientation) -> Result<Rgb8, PictureFault> {
    let (width, height) = (upright.width(), upright.height());
    let Some(buffer) = RgbImage::from_raw(width, height, upright.into_pixels()) else {
        return Err(PictureFault::WrongLength { width, height, found: 0 });
    };
    let mut image = DynamicImage::ImageRgb8(buffer);
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    picture(image.width(), image.height(), image.into_raw())
}
