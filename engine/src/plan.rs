//! Plans: a network laid out for one input shape, to be run many times.
//!
//! 1. A [`NetworkBuilder`] takes the operations and packs their weights: a [`Network`].
//! 2. [`Network::plan`] fixes an input shape: the steps, their sizes, and where each map lies in
//!    one block of memory, the arena. Maps whose lifetimes do not overlap share it.
//! 3. [`Plan::run`] runs the steps. It allocates nothing, and needs a [`Scratch`] of its own on
//!    each thread that calls it.

mod builder;
mod calibration;
mod convolve;
mod display;
mod error;
mod export;
mod graph;
mod heads;
mod infer;
mod layers;
mod layout;
mod module;
mod new;
mod observe;
mod options;
mod output;
mod product;
mod resize;
mod run;
mod schedule;
mod shape;
mod split;
mod stages;
mod step;
mod task;
mod timing;
mod window;
mod words;

pub use crate::nhwc::activation::Activation;
pub use builder::{Folded, NetworkBuilder};
pub(crate) use calibration::Quantization;
pub use calibration::{Calibration, OperandRange};
pub use error::PlanError;
pub use graph::{Join, Network, Value};
pub use layers::{Layer, Operation, Plain};
pub use options::{PlanOptions, Precision};
pub use output::{Above, Kept, KeptCells, Output, Selection};
pub(crate) use product::block_pixels;
pub use resize::{Extent, Interpolation};
pub use run::{Plan, Scratch};
pub use shape::Shape;
pub(crate) use split::share;
pub use timing::{Timing, Timings};
pub use window::Window;
