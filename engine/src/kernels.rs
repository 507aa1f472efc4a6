//! The kernels, one module per operator.

// Loops over registers count what they index several arrays with.
#![allow(clippy::needless_range_loop)]

mod above;
pub mod depthwise;
#[doc(hidden)]
pub mod reference;

pub(crate) use above::Above;
pub use above::{above, above_on};
