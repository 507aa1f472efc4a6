//! What stands on a backbone: detection, segmentation, data sets and their official metrics.
//!
//! - [`retinanet`] detects objects, [`segmentation`] tells the class of every pixel, both on an [`fpn`];
//!   on a CPU, each is one plan from pixels to raw outputs. [`yolov3`] and [`deeplabv3`] are those
//!   of GhostNetV2's own paper.
//! - [`boxes`], [`anchors`], [`coder`] and [`nms`] are what detectors are made of.
//! - [`placement`] says how pictures are fitted to a network.
//! - [`data`] reads the annotations of data sets, and checks all of them before work starts.
//! - [`eval`] computes the metrics that publications use.
//!
//! # Example
//! A detector on a picture; [`retinanet::RetinaNet::load`] would build one with the weights of a
//! checkpoint, where this one has none that were trained:
//! ```
//! # #[cfg(feature = "image")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use candle::{DType, Device};
//! use ghostnetv2::{Config, picture::Rgb8};
//! use heads::retinanet::{Preset, RetinaNet};
//!
//! let config = Preset::Lite.config();
//! let weights = heads::Seeded::new(1).var_builder(DType::F32, &Device::Cpu);
//! let detector = RetinaNet::ghostnet(&config, &Config::v2(1.0), weights)?;
//! let picture = Rgb8::new(64, 48, vec![128; 64 * 48 * 3])?;
//! let batch = config.input.batch(&[picture], &Device::Cpu)?;
//! for found in &detector.detect_batch(&batch)?[0] {
//!     println!("{} {:?} {}", found.class_id, found.bbox, found.score);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "image"))]
//! # fn main() {}
//! ```
#![forbid(unsafe_code)]

pub mod anchors;
mod backbone;
pub mod boxes;
pub mod coder;
pub mod data;
pub mod deeplabv3;
pub mod eval;
pub mod fpn;
mod known_gradient;
mod layers;
pub mod nms;
mod norms;
pub mod placement;
mod rank;
pub mod retinanet;
mod seeded;
pub mod segmentation;
#[cfg(feature = "image")]
mod transform;
pub mod yolov3;

pub use layers::ConvKind;
pub use seeded::Seeded;
