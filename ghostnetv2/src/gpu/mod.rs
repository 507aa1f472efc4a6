//! Inference on a GPU: a network as a list of launches.
//!
//! A [`Program`] is that list, laid out for one input shape on one block of memory. It is made, and
//! can be counted and looked at, on any machine; a [`Machine`] takes its steps. With the feature
//! `cuda` that is a GPU (`gpu::CudaPlan`); in the crate `cuda-check` it is the host, with the same
//! kernels compiled as C++.

mod arena;
#[cfg(feature = "cuda")]
mod cuda;
mod geometry;
mod program;
mod step;
mod uses;

#[cfg(feature = "cuda")]
pub use cuda::CudaPlan;
#[cfg(feature = "cuda")]
pub(crate) use geometry::int;
pub use geometry::{Geometry, Grid};
pub use program::{Program, Region};
pub use step::{Argument, Launch, Machine, Product, Step};
