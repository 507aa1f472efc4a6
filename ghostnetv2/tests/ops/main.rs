//! The operations of `ghostnetv2::ops`: values against candle's own, gradients against finite
//! differences, at odd sizes, on every algorithm.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod batch_norm;
mod convolution;
mod finite_differences;
mod pool_and_upsample;
