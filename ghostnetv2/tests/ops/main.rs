//! The operations of `ghostnetv2::ops`: values against candle's own, gradients against finite
//! differences, both against PyTorch's, at odd sizes, on every algorithm.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod batch_norm;
mod convolution;
mod finite_differences;
#[path = "../model/formula.rs"]
#[allow(dead_code)] // of its parts, this needs fewer
mod formula;
mod pool_and_upsample;
mod torch;
mod torch_engine;
