//! Semantic FPN: the class of every pixel, from a feature pyramid.
//!
//! A [`SemanticFpnConfig`] says what it looks like, most often one of the [`Preset`]s that others
//! have trained; a [`SemanticFpn`] computes logits at a quarter of the input's size, and
//! [`LabelMap`]s of the size of the pictures; a [`SegmenterPlan`] does the same faster on a CPU.
//!
//! # Source
//! Panoptic Feature Pyramid Networks (arXiv 1901.02446), section 3.2.

mod config;
mod entropy;
mod head;
mod label_map;
mod labelling;
mod labels;
mod loss;
mod model;
mod names;
mod plan;
mod sliding;

pub use config::{Preset, SemanticFpnConfig, SemanticNorm, UnknownPreset};
pub use label_map::{LabelMap, UNLABELLED};
pub(crate) use labelling::{label_maps, slide};
pub use loss::{Average, cross_entropy};
pub use model::SemanticFpn;
pub use names::Names;
pub use plan::SegmenterPlan;
pub use sliding::Sliding;
