//! Data sets: which pictures there are, and what is on them.

pub mod coco;
mod error;
pub mod imagenet;

pub use error::DataError;
