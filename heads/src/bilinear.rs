//! Bilinear resampling as PyTorch does it: two values on each axis, however much it shrinks.
//!
//! # Source
//! `interpolate(mode="bilinear")`; `UpSample.h` of PyTorch's ATen.

use crate::placement::Size;
use candle::{Result, Tensor, bail};

/// The two values that one is mixed of, and the share of the second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taps {
    pub(crate) first: usize,
    pub(crate) second: usize,
    pub(crate) share: f32,
}

/// The taps of all values of an axis; `from` is at least 1.
pub(crate) fn taps(from: usize, to: usize, align_corners: bool) -> Vec<Taps> {
    let scale = match align_corners {
        false => from as f32 / to as f32,
        true if to > 1 => (from - 1) as f32 / (to - 1) as f32,
        true => 0.0,
    };
    let tap = |i: usize| {
        let place = match align_corners {
            true => scale * i as f32,
            false => (scale * (i as f32 + 0.5) - 0.5).max(0.0),
        };
        let first = (place as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        Taps { first, second, share: (place - first as f32).clamp(0.0, 1.0) }
    };
    (0..to).map(tap).collect()
}

/// Resizes a plane.
#[cfg(feature = "image")]
pub(crate) fn resize_plane(plane: &[f32], from: Size, to: Size) -> Vec<f32> {
    let columns = taps(from.1, to.1, false);
    let mut resized = Vec::with_capacity(to.0 * to.1);
    for rows in taps(from.0, to.0, false) {
        let upper = &plane[rows.first * from.1..][..from.1];
        let lower = &plane[rows.second * from.1..][..from.1];
        resized.extend(columns.iter().map(|taps| {
            let mixed =
                |row: &[f32]| row[taps.first] * (1.0 - taps.share) + row[taps.second] * taps.share;
            mixed(upper) * (1.0 - rows.share) + mixed(lower) * rows.share
        }));
    }
    resized
}

/// Resizes maps, with a gradient that accumulates; candle's own operation has none.
///
/// # Shapes
/// `[B, C, H, W]` → `[B, C, to.0, to.1]`.
pub(crate) fn resize(x: &Tensor, to: Size, align_corners: bool) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    if h == 0 || w == 0 {
        bail!("bilinear resampling: a {h}x{w} map has no value to take")
    }
    let rows = along(x, 2, to.0, align_corners)?;
    along(&rows, 3, to.1, align_corners)
}

fn along(x: &Tensor, axis: usize, to: usize, align_corners: bool) -> Result<Tensor> {
    let from = x.dim(axis)?;
    if from == to {
        return Ok(x.clone());
    }
    let taps = taps(from, to, align_corners);
    let x = x.contiguous()?;
    let values = |index: fn(&Taps) -> usize| {
        let indices: Vec<u32> = taps.iter().map(|taps| index(taps) as u32).collect();
        x.index_select(&Tensor::from_vec(indices, to, x.device())?, axis)
    };
    let (first, second) = (values(|taps| taps.first)?, values(|taps| taps.second)?);
    let mut shape = [1; 4];
    shape[axis] = to;
    let share = |share: fn(&Taps) -> f32| {
        let shares: Vec<f32> = taps.iter().map(share).collect();
        Tensor::from_vec(shares, &shape, x.device())?.to_dtype(x.dtype())
    };
    let (near, far) = (share(|taps| 1.0 - taps.share)?, share(|taps| taps.share)?);
    first.broadcast_mul(&near)? + second.broadcast_mul(&far)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::{DType, Device, Var};

    #[test]
    fn corners_by_hand() -> Result<()> {
        let x = Tensor::new(&[0f32, 6.0], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
        let row = |align| resize(&x, (1, 4), align)?.flatten_all()?.to_vec1::<f32>();
        assert_eq!(row(false)?, [0.0, 1.5, 4.5, 6.0]);
        assert_eq!(row(true)?, [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(resize(&x, (3, 1), true)?.flatten_all()?.to_vec1::<f32>()?, [0.0; 3]);
        assert!(resize(&x.narrow(3, 0, 0)?, (1, 1), true).is_err());
        Ok(())
    }

    #[test]
    fn gradients_of_a_sum_are_the_sums_of_the_shares() -> Result<()> {
        for align in [false, true] {
            let x = Var::rand(-1f32, 1.0, (1, 2, 3, 5), &Device::Cpu)?;
            let y = resize(&x, (7, 4), align)?;
            let gradient = y.sum_all()?.backward()?.get(&x).expect("y depends on it").sum_all()?;
            // Shares add up to 1 for each of 7 * 4 values.
            let sum = gradient.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            assert!((sum - 56.0).abs() < 1e-4, "{sum}");
        }
        Ok(())
    }
}
