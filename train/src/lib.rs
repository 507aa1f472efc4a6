//! Training of GhostNets and their heads.
//!
//! - [`network`]: what a step needs of a network, and how candle's gradients give it.
#![forbid(unsafe_code)]

pub mod dense;
pub mod network;
mod random;

pub use network::{Autograd, Network, Step};
pub use random::Random;
