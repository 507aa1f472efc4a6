//! What stands on a backbone: detection, data sets and their official metrics.
//!
//! - [`retinanet`] detects objects, on an [`fpn`].
//! - [`boxes`], [`anchors`], [`coder`] and [`nms`] are what detectors are made of.
//! - [`placement`] says how pictures are fitted to a network.
//! - [`data`] reads the annotations of data sets, and checks all of them before work starts.
//! - [`eval`] computes the metrics that publications use.
#![forbid(unsafe_code)]

pub mod anchors;
pub mod boxes;
pub mod coder;
pub mod data;
pub mod eval;
pub mod fpn;
mod layers;
pub mod nms;
pub mod placement;
pub mod retinanet;
#[cfg(feature = "image")]
mod transform;

pub use layers::ConvKind;
