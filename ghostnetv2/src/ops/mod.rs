//! Operations that stock candle lacks, does slowly, or differentiates wrongly.
//!
//! Everything here takes `[B, C, H, W]` tensors of any layout, works on every device, and has
//! gradients that are right at odd sizes and for tensors used more than once.

mod batch_norm;
mod bilinear;
mod channel_affine;
mod channelwise;
mod conv2d;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod depthwise;
mod gate;
mod max_pool;
mod planewise;
mod pool;
mod taps;
mod upsample;

pub use batch_norm::{Moments, batch_norm_train};
pub use bilinear::{BilinearTaps, bilinear_taps, upsample_bilinear2d};
pub use channel_affine::channel_affine;
pub use conv2d::{Conv2dParams, ConvAlgorithm, conv2d};
pub use depthwise::depthwise_conv2d;
pub use gate::{dfc_gate, scale_channels};
pub use max_pool::max_pool2d;
pub use pool::{avg_pool2x2, global_avg_pool};
pub use upsample::upsample_nearest2d;

use candle::Tensor;

/// Whether kernels on a GPU can take all of these, which must be of one type then.
#[cfg(feature = "cuda")]
fn on_gpu(tensors: &[&Tensor]) -> bool {
    cuda::takes(tensors)
}

/// Without the feature `cuda` there are none.
#[cfg(not(feature = "cuda"))]
fn on_gpu(_: &[&Tensor]) -> bool {
    false
}
