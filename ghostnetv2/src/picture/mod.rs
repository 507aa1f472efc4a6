//! Pictures from files: strict, bounded, and in the colours that Pillow's `convert("RGB")` gives.
//!
//! The format is told from the content. A file that is cut or damaged is refused, as Pillow does
//! and as the usual Rust decoders do not; sizes are checked before memory is taken; a decoder that
//! panics costs its picture, not the program. JPEG is decoded by zune-jpeg, the rest by `image`.
//!
//! # Differences from Pillow
//! - 16-bit grey is scaled to 8 bits, where Pillow clips it to white.
//! - JPEG samples differ by up to 4 levels; by more in subsampled pictures at most 4 pixels wide.
//! - Refused, though Pillow reads them: arithmetic-coded JPEG, JPEG with subsampled colours in
//!   scans of their own, and rare kinds of TIFF (bilevel palettes, CIELab, JPEG inside, signed).
//! - `docs/pictures.md` lists what a collection of awkward files showed, file by file.

mod decode;
mod error;
mod format;
mod guard;
mod jpeg;
mod jpeg_scans;
mod open;
mod options;
mod raster;
mod rgb8;

pub use decode::decode;
pub use error::{PictureError, PictureFault};
pub use open::open;
pub use options::{DecodeOptions, Exif};
pub use rgb8::Rgb8;
