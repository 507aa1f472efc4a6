//! Training of GhostNets and their heads.
//!
//! - [`network`]: what a step needs of a network, and how candle's gradients give it.
#![forbid(unsafe_code)]

pub mod data;
pub mod dense;
pub mod detector;
pub mod network;
mod seed;
pub mod segmenter;
mod start;
mod variables;

pub use network::{Autograd, Network, Step};
pub use seed::{Random, Seed};
pub use start::Start;
pub use variables::Variables;
