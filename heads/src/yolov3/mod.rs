//! YOLOv3 as mmdetection builds it for small backbones: the detector of GhostNetV2's own paper.
//!
//! A [`YoloV3Config`] says what it looks like, most often that of a [`Preset`]; a [`YoloV3`] finds objects in pictures; a
//! [`YoloV3Plan`] does the same faster on a CPU. There are no losses: it runs what mmdetection has
//! trained.
//!
//! # Source
//! YOLOv3: An Incremental Improvement (arXiv 1804.02767); mmdetection 3.3,
//! `configs/yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py` and the classes it names.

mod config;
mod layers;
mod model;
mod plan;
mod postprocess;
mod preset;

pub use config::YoloV3Config;
pub use model::YoloV3;
pub use plan::YoloV3Plan;
pub use postprocess::YoloPostProcess;
pub use preset::{Preset, UnknownPreset};
