//! Networks in training: forward passes with batch statistics, and the gradients of all
//! parameters, in f32.
//!
//! 1. A [`GraphBuilder`] takes the operations: a [`Graph`]. It knows no weights: they are given to
//!    each pass, as they are then, in the order and layout of PyTorch and candle.
//! 2. [`Graph::forward`] runs a batch of any size: a [`Pass`], which keeps what gradients need.
//! 3. [`Pass::output`] is what a loss is made of, and [`Pass::backward`] turns the loss's gradients
//!    for the outputs into those for the parameters.
//!
//! Maps have their channels innermost, so that a pointwise convolution is one matrix product and
//! everything else is a loop over channels. Work is shared among the threads of the ambient rayon
//! pool, in parts that depend on shapes alone: results are the same to the bit for any number of
//! threads. Several processes can each run a part of every batch: [`Ranks`].
//!
//! # Example
//! One step of a network of two layers, for pictures of three channels:
//! ```
//! use engine::plan::{Activation, Window};
//! use engine::training::{GraphBuilder, Memory};
//!
//! let (mut net, x) = GraphBuilder::new(3);
//! let (weight, bias) = (net.parameter(4 * 3 * 9, true), net.parameter(4, true));
//! let y = net.conv(x, Window::same((3, 3), 2), 4, weight, Some(bias))?;
//! let y = net.activation(y, Activation::Relu)?;
//! let y = net.global_pool(y)?;
//! let graph = net.build(&[y]);
//!
//! let memory = Memory::default();
//! let parameters = [&[0.5; 4 * 3 * 9][..], &[1.0; 4][..]];
//! let pass = graph.forward(&memory, [2, 3, 8, 8], &[0.0; 2 * 3 * 8 * 8], &parameters, 0)?;
//! assert_eq!(pass.output(0), [1.0; 8]); // of black pictures only the bias is left
//! let gradients = pass.backward(&[&[0.25; 8]])?;
//! assert_eq!(gradients[1].as_deref(), Some(&[0.5; 4][..])); // two pictures
//! # Ok::<(), engine::PlanError>(())
//! ```

mod backward;
mod batch_norm;
mod builder;
mod concat;
mod conv;
mod depthwise;
mod elementwise;
mod forward;
mod graph;
mod group_norm;
mod map;
mod memory;
mod outer;
mod pass;
mod pool;
mod product;
mod ranks;
mod resize;
mod split;

pub use builder::GraphBuilder;
pub use graph::{BatchNorm, Graph, Parameter, Value};
pub use map::MapShape;
pub use memory::Memory;
pub use pass::{BatchStatistics, Pass};
pub use ranks::Ranks;
