//! 2-D convolution with one padding per axis, dense or depthwise, over three ways to compute it.

use super::depthwise::{depthwise_conv2d, shifted_multiply_add};
use super::taps;
use candle::{Result, Tensor, bail};

/// How a convolution is computed. All give the same result up to rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConvAlgorithm {
    /// SIMD kernels on the CPU for f32 without dilation and, with the feature `cuda`, kernels on a
    /// GPU for depthwise convolutions; [`ConvAlgorithm::CandleOps`] for the rest.
    #[default]
    Kernels,
    /// Ordinary candle operations: matrix products, and shifted multiply-adds where depthwise.
    CandleOps,
    /// candle's own `conv2d`, a loop over the groups: the oracle of tests, and the yardstick of
    /// the bench. Its gradients are wrong for some shapes.
    Stock,
}

/// Geometry of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dParams {
    /// Step in pixels, the same on both axes.
    pub stride: usize,
    /// Zeros added above and below, left and right.
    pub padding: (usize, usize),
    /// Distance of the kernel's taps in pixels: 1 where they are neighbours.
    pub dilation: usize,
    /// 1, or as many as there are input channels (depthwise).
    pub groups: usize,
}

/// Convolves `x` with `weight`.
///
/// A weight of another type than the picture's is cast to that, and its gradient back: so networks
/// in training keep f32 weights for maps in bf16.
///
/// # Shapes
/// `x`: `[B, C, H, W]`, `weight`: `[O, C / groups, KH, KW]` → `[B, O, OH, OW]` with
/// `OH = (H + 2 * padding.0 - (KH - 1) * dilation - 1) / stride + 1`, `OW` likewise.
///
/// # Errors
/// Shapes that do not fit each other, a dilated kernel larger than the padded picture, or groups
/// other than 1 and `C`.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    params: Conv2dParams,
    algorithm: ConvAlgorithm,
) -> Result<Tensor> {
    let (_, c, _, _) = x.dims4()?;
    let (o, per_group, _, _) = weight.dims4()?;
    let Conv2dParams { stride, padding, dilation, groups } = params;
    let weight = &weight.to_dtype(x.dtype())?;
    let size = taps::out_size(x, weight, (stride, stride), padding, dilation)?;
    if per_group.checked_mul(groups) != Some(c) {
        bail!("conv2d: weight {:?} with {groups} groups does not fit {c} channels", weight.dims())
    }
    if algorithm == ConvAlgorithm::Stock {
        return stock(x, weight, params);
    }
    if groups == 1 {
        dense(x, weight, params, size)
    } else if groups == c && o == c && dilation > 1 {
        shifted_multiply_add(x, weight, (stride, stride), padding, dilation)
    } else if groups == c && o == c {
        depthwise_conv2d(x, weight, (stride, stride), padding, algorithm)
    } else {
        bail!("conv2d: {groups} groups of {c} channels: expected 1 or {c}, one filter each")
    }
}

/// Unfolds the taps next to each other and multiplies once; 1x1 kernels need no unfolding, and are
/// one strided batch of products: one call of cuBLAS on a GPU, which copies nothing.
fn dense(
    x: &Tensor,
    weight: &Tensor,
    params: Conv2dParams,
    (oh, ow): (usize, usize),
) -> Result<Tensor> {
    let Conv2dParams { stride, padding, dilation, .. } = params;
    let (b, c, ..) = x.dims4()?;
    let (o, _, kh, kw) = weight.dims4()?;
    let columns = if (kh, kw, stride, padding) == (1, 1, 1, (0, 0)) {
        x.reshape((b, c, oh * ow))?
    } else {
        let taps = taps::shifted(x, (kh, kw), (stride, stride), padding, dilation)?;
        Tensor::stack(&taps, 2)?.reshape((b, c * kh * kw, oh * ow))? // channel-major, as the weight
    };
    let weight = weight.reshape((o, c * kh * kw))?;
    let y = match b {
        1 => weight.matmul(&columns.squeeze(0)?)?,
        // Stride 0 over the batch: every picture reads the same weights, none copies them.
        _ => weight.broadcast_as((b, o, c * kh * kw))?.matmul(&columns)?,
    };
    y.reshape((b, o, oh, ow))
}

fn stock(x: &Tensor, weight: &Tensor, params: Conv2dParams) -> Result<Tensor> {
    let Conv2dParams { stride, padding: (ph, pw), dilation, groups } = params;
    if ph == pw {
        return x.conv2d(weight, ph, stride, dilation, groups);
    }
    let padded = x.pad_with_zeros(2, ph, ph)?.pad_with_zeros(3, pw, pw)?;
    padded.conv2d(weight, 0, stride, dilation, groups)
}
