//! DeepLabV3 as mmsegmentation builds it for small backbones: the segmentation network of
//! GhostNetV2's own paper.
//!
//! A [`DeepLabV3Config`] says what it looks like, most often that of a [`Preset`]; a [`DeepLabV3`]
//! computes logits at an eighth or a sixteenth of the input's size, and
//! [`LabelMap`](crate::segmentation::LabelMap)s of the size of the pictures; a [`DeepLabV3Plan`]
//! does the same faster on a CPU.
//!
//! # Source
//! Rethinking Atrous Convolution for Semantic Image Segmentation (arXiv 1706.05587); mmsegmentation
//! 1.2, `configs/mobilenet_v2/mobilenet-v2-d8_deeplabv3_4xb4-160k_ade20k-512x512.py` and the classes
//! it names.

mod config;
mod head;
mod model;
mod plan;
mod preset;

pub use config::DeepLabV3Config;
pub use model::DeepLabV3;
pub use plan::DeepLabV3Plan;
pub use preset::{Preset, UnknownPreset};
