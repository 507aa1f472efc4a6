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
