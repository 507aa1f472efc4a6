//! The kernels, one module per operator.

pub mod depthwise;
#[doc(hidden)]
pub mod reference;
