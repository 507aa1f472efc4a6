//! Data sets: which pictures there are, and what is on them.

pub mod coco;
pub mod coco_results;
mod error;
pub mod imagenet;
#[cfg(feature = "image")]
pub mod mask;
#[cfg(feature = "image")]
pub mod pixels;

pub use error::DataError;

/// A text without the byte order mark that editors on Windows put before it.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}
