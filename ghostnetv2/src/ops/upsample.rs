//! Nearest upsampling to any size, with a gradient that accumulates.

use candle::{Device, Result, Tensor};

/// Resizes by repeating the nearest pixel: output `i` reads input `floor(i * in / out)`, as
/// PyTorch's `interpolate(mode="nearest")`.
///
/// candle's own operation refuses gradients for ratios such as 3 → 7, and overwrites those of
/// a map that is used twice; gathering rows and columns does neither.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, OH, OW]`.
///
/// # Errors
/// An empty input map.
pub fn upsample_nearest2d(x: &Tensor, (oh, ow): (usize, usize)) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h == 0 || w == 0 {
        candle::bail!("upsample_nearest2d: a {h}x{w} map has no pixel to repeat")
    }
    let mut y = x.contiguous()?;
    for (dim, from, to) in [(2, h, oh), (3, w, ow)] {
        if from != to {
            y = y.index_select(&nearest(from, to, x.device())?, dim)?;
        }
    }
    Ok(y)
}

fn nearest(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let source = (0..to).map(|i| (i * from / to) as u32).collect::<Vec<_>>();
    Tensor::from_vec(source, to, device)
}
