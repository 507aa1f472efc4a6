//! The windows of a convolution as ordinary candle views: one strided slice per kernel tap.

use candle::{Result, Tensor, bail};

/// Output height and width; the kernel's taps are `dilation` pixels apart.
///
/// # Errors
/// A stride or a dilation of 0, or a kernel that is empty or larger than the padded picture.
pub(super) fn out_size(
    x: &Tensor,
    weight: &Tensor,
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: usize,
) -> Result<(usize, usize)> {
    let (.., h, w) = x.dims4()?;
    let (.., kh, kw) = weight.dims4()?;
    let along = |n: usize, k: usize, s: usize, p: usize| {
        let padded = p.checked_mul(2)?.checked_add(n)?;
        let reach = k.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        if s == 0 || dilation == 0 { None } else { Some(padded.checked_sub(reach)? / s + 1) }
    };
    match (along(h, kh, stride.0, padding.0), along(w, kw, stride.1, padding.1)) {
        (Some(oh), Some(ow)) => Ok((oh, ow)),
        _ => bail!(
            "convolution: a {kh}x{kw} kernel with stride {stride:?}, padding {padding:?} and \
             dilation {dilation} does not fit a {h}x{w} picture"
        ),
    }
}

/// One `[B, C, OH, OW]` tensor per tap, in the kernel's row-major order.
pub(super) fn shifted(
    x: &Tensor,
    (kh, kw): (usize, usize),
    (sh, sw): (usize, usize),
    (ph, pw): (usize, usize),
    dilation: usize,
) -> Result<Vec<Tensor>> {
    let (b, c, h, w) = x.dims4()?;
    let (reach_h, reach_w) = ((kh - 1) * dilation + 1, (kw - 1) * dilation + 1);
    let (oh, ow) = ((h + 2 * ph - reach_h) / sh + 1, (w + 2 * pw - reach_w) / sw + 1);
    // Rows and columns that the last window, rounded up to whole strides, may touch.
    let (rows, cols) = ((oh + reach_h.div_ceil(sh)) * sh, (ow + reach_w.div_ceil(sw)) * sw);
    let padded = pad(&pad(x, 2, h, ph, rows)?, 3, w, pw, cols)?;
    // Strided slicing as a view: candle has none, but a split axis can be narrowed.
    let phases = padded.reshape((b, c, rows / sh, sh, cols / sw, sw))?;
    let mut taps = Vec::with_capacity(kh * kw);
    for ky in (0..reach_h).step_by(dilation) {
        let row = phases.narrow(3, ky % sh, 1)?.narrow(2, ky / sh, oh)?;
        for kx in (0..reach_w).step_by(dilation) {
            let tap = row.narrow(5, kx % sw, 1)?.narrow(4, kx / sw, ow)?;
            taps.push(tap.squeeze(5)?.squeeze(3)?);
        }
    }
    Ok(taps)
}

/// Zeros before an axis, and zeros behind or a cut, so that it is `len` long.
fn pad(x: &Tensor, dim: usize, n: usize, before: usize, len: usize) -> Result<Tensor> {
    let kept = n.min(len - before);
    let cut = if kept < n { x.narrow(dim, 0, kept)? } else { x.clone() };
    cut.pad_with_zeros(dim, before, len - before - kept)
}
