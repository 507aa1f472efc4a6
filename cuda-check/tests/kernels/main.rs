//! Every CUDA kernel, compiled for this machine, beside the CPU operations of `ghostnetv2::ops` and
//! their gradients, at the odd shapes of those operations' own tests, in f32, f16 and bf16.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod batch_norm;
mod check;
mod dense;
mod depthwise;
mod gate;
mod ghost;
mod numbers;
mod pool;
mod resize;
mod squeeze_excite;
