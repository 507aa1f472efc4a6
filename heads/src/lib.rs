//! What stands on a backbone: detection, segmentation, data sets and their official metrics.
//!
//! - [`retinanet`] detects objects, [`segmentation`] tells the class of every pixel, both on an [`fpn`].
//! - [`boxes`], [`anchors`], [`coder`] and [`nms`] are what detectors are made of.
//! - [`placement`] says how pictures are fitted to a network.
//! - [`data`] reads the annotations of data sets, and checks all of them before work starts.
//! - [`eval`] computes the metrics that publications use.
#![forbid(unsafe_code)]

pub mod anchors;
mod backbone;
mod bilinear;
pub mod boxes;
pub mod coder;
pub mod data;
pub mod eval;
pub mod fpn;
mod layers;
pub mod nms;
pub mod placement;
pub mod retinanet;
mod seeded;
pub mod segmentation;
#[cfg(feature = "image")]
mod transform;

pub use layers::ConvKind;
pub use seeded::Seeded;
