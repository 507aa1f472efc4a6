//! The format of a picture, from its first bytes.

use super::PictureFault;

/// What is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
    WebP,
    Gif,
    Bmp,
    Tiff,
}

impl Format {
    /// Whatever the file is called.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, PictureFault> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        Ok(if starts(b"\xff\xd8\xff") {
            Self::Jpeg
        } else if starts(b"\x89PNG\r\n\x1a\n") {
            Self::Png
        } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Self::WebP
        } else if starts(b"GIF87a") || starts(b"GIF89a") {
            Self::Gif
        } else if starts(b"BM") {
            Self::Bmp
        } else if starts(b"II*\0") || starts(b"MM\0*") || starts(b"II+\0") || starts(b"MM\0+") {
            Self::Tiff
        } else if bytes.is_empty() {
            return Err(PictureFault::Truncated { format: "picture" });
        } else {
            let start = bytes.iter().copied().take(8).collect();
            return Err(PictureFault::UnknownFormat { start });
        })
    }

    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
        }
    }
}
