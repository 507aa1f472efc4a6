//! GhostNet V1, V2 and V3 on candle.
//!
//! Networks for vision on small devices: they load timm's published checkpoints, classify, and
//! give feature pyramids to detection and segmentation heads.
//!
//! - [`GhostNet`] is the classifier, [`Pyramid`] the backbone, [`Config`] says which one.
//! - [`ops`] has the operations that stock candle lacks, with right gradients.
//! - [`weights`] finds, checks and loads checkpoints, from files or from the hub.
//! - [`calibration`] keeps the ranges that int8 plans need, [`lowering`] is for heads in plans.
//! - `preprocess` and `picture` turn files into inputs exactly as timm does.
//! - `gpu` has inference on a GPU as a list of launches, which needs no GPU to be looked at.
#![cfg_attr(not(feature = "cuda"), forbid(unsafe_code))]
// Launches of kernels are the only `unsafe` code.
#![cfg_attr(feature = "cuda", deny(unsafe_code))]

mod batch_norm;
pub mod calibration;
pub mod config;
mod error;
pub mod gpu;
#[cfg(feature = "hub")]
pub mod hub;
pub mod lowering;
mod model;
pub mod ops;
#[cfg(feature = "image")]
pub mod picture;
mod plan;
#[cfg(feature = "image")]
pub mod preprocess;
pub mod pyramid;
pub mod training;
pub mod weights;

pub use batch_norm::BatchNorm2d;
pub use config::{Config, MIN_SIDE, Release, Version};
pub use engine::plan::{
    Above, Calibration, Kept, KeptCells, Output, PlanOptions, Precision, Selection, Timings,
};
pub use error::{Error, Mismatch};
pub use model::{
    GhostNet, ghostnet, ghostnet_no_final_layer, ghostnetv2, ghostnetv2_no_final_layer, ghostnetv3,
    ghostnetv3_no_final_layer,
};
pub use plan::Plan;
pub use pyramid::{Backbone, FeatureInfo, Level, Pyramid, Taps};
