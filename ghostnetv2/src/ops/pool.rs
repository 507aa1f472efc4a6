//! Average pooling with right gradients at odd sizes.

use candle::{D, Result, Tensor};

/// Mean of 2x2 windows at stride 2; an odd last row or column is left out, as PyTorch does.
///
/// candle's own gradient spreads over that last row too, so it never gets to see one.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, H / 2, W / 2]`.
///
/// # Errors
/// A side shorter than 2 pixels.
pub fn avg_pool2x2(x: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h < 2 || w < 2 {
        candle::bail!("avg_pool2x2: a {h}x{w} map: expected at least 2x2")
    }
    let mut even = x.clone();
    for (dim, n) in [(2, h), (3, w)] {
        if n % 2 == 1 {
            even = even.narrow(dim, 0, n - 1)?;
        }
    }
    even.avg_pool2d(2)
}

/// Mean over all pixels.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, 1, 1]`.
///
/// # Errors
/// Fewer than two axes.
pub fn global_avg_pool(x: &Tensor) -> Result<Tensor> {
    x.mean_keepdim((D::Minus2, D::Minus1))
}
