//! RetinaNet: one-stage detection with a focal loss.
//!
//! A [`RetinaNetConfig`] says what it looks like, most often one of the [`Preset`]s that others
//! have trained; a [`RetinaNet`] computes [`RawOutputs`], which [`PostProcess`] turns into
//! detections and [`RetinaNet::loss`] into losses. A [`DetectorPlan`] computes the same faster on a
//! CPU.
//!
//! # Source
//! Focal Loss for Dense Object Detection (arXiv 1708.02002).

mod candidates;
mod config;
mod detections;
mod focal;
mod head;
mod losses;
mod matcher;
mod model;
mod names;
mod objective;
mod plan;
mod postprocess;
mod preset;

pub use config::RetinaNetConfig;
pub use head::{Head, HeadConfig, HeadNorm, RawOutputs};
pub use losses::{BoxLoss, LossConfig, Losses, Normalizer, focal_loss, giou_loss, l1_loss};
pub use matcher::{LowQuality, Match, Matcher};
pub use model::RetinaNet;
pub use names::Names;
pub use objective::GroundTruth;
pub use plan::DetectorPlan;
pub use postprocess::{LevelOutputs, Logits, PostProcess};
pub use preset::{Preset, UnknownPreset};
