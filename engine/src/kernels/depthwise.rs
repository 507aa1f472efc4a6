//! Depthwise 2-D convolution: one filter per channel, on NCHW `f32` slices.
//!
//! Any kernel, stride and symmetric padding per axis; 3x3, 5x5, 1x5 and 5x1 have code of their
//! own. Padding is multiplied like any other zero: an infinite weight makes NaN at the edges.
//!
//! Edges and strides get in the way of vectors. So a few rows at a time, or a few small planes, are
//! copied into a zero-padded tile that stays in the first-level cache, with the columns of a
//! strided convolution sorted by phase. From there on every load is contiguous and no inner loop
//! branches.
//!
//! | file | what |
//! |---|---|
//! | `shape.rs` | sizes, checked once |
//! | `geometry.rs` | forward and input gradient as one correlation |
//! | `tile.rs`, `copy.rs` | the padded copy |
//! | `taps.rs` | the inner loops over a kernel's taps |
//! | `correlate.rs` | rows and columns of outputs over a tile |
//! | `forward.rs`, `grad_input.rs`, `grad_weight.rs` | the entry points |

mod copy;
mod correlate;
mod forward;
mod geometry;
mod grad_input;
mod grad_weight;
mod shape;
mod taps;
mod tile;

pub use forward::{forward, forward_on};
pub use grad_input::{grad_input, grad_input_on};
pub use grad_weight::{grad_weight, grad_weight_on};
pub use shape::DepthwiseShape;
