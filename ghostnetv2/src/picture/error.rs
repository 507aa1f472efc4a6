//! What can be wrong with a picture.

use std::fmt;
use std::path::{Path, PathBuf};

/// A picture that was refused: which one, and why.
///
/// The message names the file, the reason, and the way out; a caller adds nothing.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {fault}")]
pub struct PictureError {
    origin: Origin,
    fault: PictureFault,
}

impl PictureError {
    pub(super) fn in_file(path: &Path, fault: PictureFault) -> Self {
        Self { origin: Origin::File(path.to_owned()), fault }
    }

    pub(super) fn in_memory(fault: PictureFault) -> Self {
        Self { origin: Origin::Memory, fault }
    }

    /// The reason, without the file's name.
    pub fn fault(&self) -> &PictureFault {
        &self.fault
    }

    /// The file, if the picture came from one.
    pub fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Memory => None,
        }
    }
}

/// Where a picture came from.
#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Memory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory => f.write_str("picture in memory"),
        }
    }
}

/// Why a picture was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureFault {
    /// The path leads to a directory, a pipe or a device.
    #[error("not a regular file but {kind}; name a picture file")]
    NotAFile {
        /// What it is, with its article.
        kind: &'static str,
    },
    /// The operating system refused the file.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// The file is longer than allowed.
    #[error("{found} bytes, but at most {limit} are read; raise `max_bytes` to allow it")]
    TooLarge {
        /// Length of the file.
        found: u64,
        /// The limit from the options.
        limit: u64,
    },
    /// The first bytes belong to no picture format that is known here.
    #[error(
        "not a picture: expected JPEG, PNG, WebP, GIF, BMP or TIFF, found bytes {start:02x?}; \
         convert it to one of these"
    )]
    UnknownFormat {
        /// The first bytes.
        start: Vec<u8>,
    },
    /// The picture is, or may be, sound, but of a kind that is not decoded here.
    #[error("{format} with {feature} is not supported; convert it, for instance to PNG")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What is not supported.
        feature: String,
    },
    /// The data ends before the picture does.
    #[error(
        "{format} data ends too early; get the whole file again, or allow truncated pictures \
         to use what is there"
    )]
    Truncated {
        /// Name of the format.
        format: &'static str,
    },
    /// The data contradicts itself.
    #[error("corrupt {format} data: {detail}; get the file again or convert it anew")]
    Corrupt {
        /// Name of the format.
        format: &'static str,
        /// What was found.
        detail: String,
    },
    /// The header announces more pixels than allowed.
    #[error(
        "{width}x{height} pixels, but at most {limit} are decoded, because small files can \
         pretend to be huge; raise `max_pixels` to allow it"
    )]
    TooManyPixels {
        /// Width in the header.
        width: u64,
        /// Height in the header.
        height: u64,
        /// The limit from the options.
        limit: u64,
    },
    /// The bytes given to [`Rgb8::new`](super::Rgb8::new) do not make a picture of that size.
    #[error(
        "a picture of {width}x{height} needs {} bytes of RGB and sides of at least 1, \
         found {found} bytes",
        u128::from(*width) * u128::from(*height) * 3
    )]
    WrongLength {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
        /// Bytes given.
        found: usize,
    },
}

impl PictureFault {
    /// Damage, in the words of a decoder.
    pub(super) fn corrupt(format: &'static str, detail: impl ToString) -> Self {
        Self::Corrupt { format, detail: detail.to_string().trim_end_matches('.').to_owned() }
    }

    /// A feature that is missing here, in the words of a decoder.
    pub(super) fn unsupported(format: &'static str, feature: impl ToString) -> Self {
        let feature = feature.to_string();
        let feature = feature.trim_end_matches(" is unsupported").to_owned();
        Self::Unsupported { format, feature }
    }
}
