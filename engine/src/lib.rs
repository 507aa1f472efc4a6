//! CPU inference for convolutional networks, without a tensor library.
//!
//! - [`plan`]: whole networks, laid out once for an input shape and run without allocation.
//! - [`kernels`]: single kernels on plain `f32` slices, with gradients.
//! - [`isa`]: instruction sets as tokens; every kernel is written once and compiled for each.
//!
//! Results do not depend on the number of threads, to the bit; they may differ in the last bits
//! between instruction sets. Plans run on a team of threads of their own, as many as the ambient
//! [rayon] pool has unless told otherwise; single kernels split large work over that pool itself:
//! inside `pool.install(…)` it is `pool`, elsewhere the global one. All `unsafe` code of the
//! workspace is in this crate.
//!
//! # Examples
//! A network of two operations for pictures of three channels, run on one of 8x8 pixels:
//! ```
//! use engine::plan::{Activation, NetworkBuilder, PlanOptions, Window};
//! use std::sync::Arc;
//!
//! let options = PlanOptions::default().with_threads(1);
//! let (mut net, x) = NetworkBuilder::new(&options, 3);
//! let (weights, bias) = (vec![0.5; 4 * 3 * 3 * 3], vec![1.0; 4]);
//! let y = net.conv(x, Window::same((3, 3), 2), (&weights, &bias), Activation::Relu)?;
//! let y = net.global_pool(y)?;
//! let plan = Arc::new(net.build(&[y])).plan([1, 3, 8, 8], &options)?;
//!
//! let mut scratch = plan.scratch()?;
//! let mut means = vec![0.0; 4];
//! plan.run(&mut scratch, &vec![0.0; 3 * 8 * 8], &mut [&mut means])?;
//! assert_eq!(means, [1.0; 4]); // of a black picture only the bias is left
//! # Ok::<(), engine::PlanError>(())
//! ```
//! A single kernel:
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
mod sync;
mod team;
mod threads;
pub mod training;

pub use error::ShapeError;
pub use plan::PlanError;
