//! CPU kernels for convolutional networks, without a tensor library.
//!
//! - [`isa`]: instruction sets as tokens; every kernel is written once and compiled for each.
//! - [`kernels`]: the kernels, on plain `f32` slices.
//!
//! Kernels split large work over the ambient [rayon] pool: inside `pool.install(…)` that is
//! `pool`, elsewhere the global one. Results do not depend on the number of threads, to the bit.
//! They may differ in the last bits between instruction sets. All `unsafe` code of the workspace
//! is in this crate.
//!
//! # Example
//! ```
//! use engine::kernels::depthwise::{self, DepthwiseShape};
//!
//! // One picture of two 4x4 channels, a 3x3 filter for each, stride 1, padding 1.
//! let shape = DepthwiseShape::new(1, 2, (4, 4), (3, 3), (1, 1), (1, 1))?;
//! let x = vec![1.0; shape.input_len()];
//! let w = vec![0.5; shape.weight_len()];
//! let mut y = vec![0.0; shape.output_len()];
//! depthwise::forward(&shape, &x, &w, None, &mut y)?;
//!
//! assert_eq!(shape.output(), (4, 4));
//! assert_eq!(y[0], 2.0); // four of the nine taps are inside at a corner
//! assert_eq!(y[5], 4.5); // all nine in the middle
//! # Ok::<(), engine::ShapeError>(())
//! ```

#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod buffer;
mod error;
pub mod isa;
pub mod kernels;
mod nhwc;
mod pack;
pub mod plan;
mod team;
mod threads;

pub use error::ShapeError;
pub use plan::PlanError;
