//! Plans against a naive oracle, through the public interface, on every instruction set that the
//! CPU has and on several threads.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod above;
mod builder_errors;
mod check;
mod conv;
mod depthwise;
mod dfc;
mod ghost;
mod group_norm;
mod int8;
mod layer;
mod linear;
mod listing;
mod model;
mod networks;
mod oracle;
mod oracle_heads;
mod outputs;
mod plan_errors;
mod pointwise;
mod pool;
mod precision;
mod repeat;
mod resize;
mod strategies;
mod threads;
mod winograd;
