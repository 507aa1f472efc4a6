//! What stands on a backbone: data sets and their official metrics.
//!
//! - [`data`] reads the annotations of data sets, and checks all of them before work starts.
//! - [`eval`] computes the metrics that publications use.
#![forbid(unsafe_code)]

pub mod data;
pub mod eval;
