//! What a caller may decide about decoding.

use super::PictureFault;

/// Whether to turn a picture as its camera noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exif {
    /// As stored, which is what timm and torchvision do.
    #[default]
    Ignore,
    /// Upright. TIFF is always turned, as Pillow does.
    Apply,
}

/// How to decode, and what to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Orientation.
    pub exif: Exif,
    /// Take what there is of a truncated file; the rest of the picture is left as the decoder has
    /// it, grey or black.
    pub allow_truncated: bool,
    /// The most pixels, checked in the header. The default is Pillow's bound, 178,956,970.
    pub max_pixels: u64,
    /// The longest file, in bytes. The default is 1 GiB.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        let exif = Exif::default();
        Self { exif, allow_truncated: false, max_pixels: 178_956_970, max_bytes: 1 << 30 }
    }
}

impl DecodeOptions {
    /// Checks the size that a header announces.
    pub(super) fn check_size(&self, width: u64, height: u64) -> Result<(), PictureFault> {
        match width.checked_mul(height) {
            Some(pixels) if pixels <= self.max_pixels => Ok(()),
            _ => Err(PictureFault::TooManyPixels { width, height, limit: self.max_pixels }),
        }
    }
}
