//! Pictures in: strict decoding of untrusted files to 8-bit RGB.
//!
//! JPEG, PNG, WebP, GIF, BMP and TIFF, told apart by content. The pixels, and the decision what
//! is refused, are those of Pillow 13's `Image.open(f).convert("RGB")`, which is what networks
//! are trained on: alpha is dropped, not blended; of an animation the first frame counts. One
//! thing differs on purpose: 16-bit gray is scaled to 8 bits, where Pillow clips it to white.
//!
//! Whatever the bytes, decoding ends with a picture or a [`PictureError`], in time and memory
//! that [`DecodeOptions`] bound. (A decoder's own panic is caught, so a program that aborts on
//! panic gives that up.)

mod convert;
mod error;
mod exif;
mod file;
mod format;
mod gif;
mod guard;
mod jpeg;
mod raster;
mod rgb8;
mod tiff;

use std::path::Path;

use image::metadata::Orientation;

pub use error::{PictureError, PictureFault};
pub use rgb8::Rgb8;

use format::Format;

/// What to do about the orientation that a camera wrote into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exif {
    /// Take the pixels as they are stored, as training pipelines do.
    #[default]
    Ignore,
    /// Turn the picture upright.
    Apply,
}

/// What is accepted, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Whether the Exif orientation is applied. (TIFF's own orientation always is, as in Pillow.)
    pub exif: Exif,
    /// Whether a file that ends too early gives what there is of it. What is missing is gray in a
    /// JPEG and black elsewhere. A file without any pixels is refused all the same.
    pub allow_truncated: bool,
    /// Pictures with more pixels than this are refused before memory is taken for them.
    pub max_pixels: u64,
    /// Files with more bytes than this are refused unread.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    /// Pillow's limit for pixels, above which it speaks of a decompression bomb, and 1 GiB.
    fn default() -> Self {
        Self {
            exif: Exif::Ignore,
            allow_truncated: false,
            max_pixels: 178_956_970,
            max_bytes: 1 << 30,
        }
    }
}

impl DecodeOptions {
    fn check_pixels(&self, width: u64, height: u64) -> Result<(), PictureFault> {
        if width.saturating_mul(height) > self.max_pixels {
            return Err(PictureFault::TooManyPixels { width, height, limit: self.max_pixels });
        }
        Ok(())
    }
}

/// Reads and decodes a picture file.
///
/// # Errors
/// [`PictureError`] with the path; its [fault](PictureError::fault) says what was wrong.
///
/// # Example
/// ```
/// use ghostnetv2::picture::{DecodeOptions, PictureFault, open};
///
/// let error = open("no/such/picture.jpg".as_ref(), &DecodeOptions::default()).unwrap_err();
/// assert!(matches!(error.fault(), PictureFault::Io(_)));
/// assert!(error.to_string().starts_with("no/such/picture.jpg: cannot read it"));
/// ```
pub fn open(path: &Path, options: &DecodeOptions) -> Result<Rgb8, PictureError> {
    file::read(path, options.max_bytes)
        .and_then(|bytes| decode_guarded(&bytes, options))
        .map_err(|fault| PictureError::in_file(path, fault))
}

/// Decodes a picture in memory.
///
/// # Errors
/// [`PictureError`] without a path; its [fault](PictureError::fault) says what was wrong.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Rgb8, PictureError> {
    decode_guarded(bytes, options).map_err(PictureError::in_memory)
}

/// A picture as stored, and how to turn it.
struct Decoded {
    picture: Rgb8,
    orientation: Option<Orientation>,
}

fn decode_guarded(bytes: &[u8], options: &DecodeOptions) -> Result<Rgb8, PictureFault> {
    let format = Format::of(bytes)?;
    let Decoded { picture, orientation } = guard::catch(format.name(), || match format {
        Format::Jpeg => jpeg::decode(bytes, options),
        Format::Gif => gif::decode(bytes, options),
        Format::Tiff => tiff::decode(bytes, options),
        Format::Png => raster::png(bytes, options),
        Format::WebP => raster::webp(bytes, options),
        Format::Bmp => raster::bmp(bytes, options),
    })?;
    match (options.exif, orientation) {
        (Exif::Apply, Some(orientation)) => Ok(exif::upright(picture, orientation)),
        _ => Ok(picture),
    }
}
