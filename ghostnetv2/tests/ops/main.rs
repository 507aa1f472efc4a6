//! The operations of `ghostnetv2::ops`: values against candle's own, gradients against finite
//! differences, at odd sizes, on every algorithm.

mod convolution;
mod finite_differences;
mod pool_and_upsample;
