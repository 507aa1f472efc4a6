//! Where the rows and columns of a resized map come from, as PyTorch's `interpolate` has it.

use super::graph::Value;
use super::{PlanError, Shape};
use crate::nhwc::activation::Activation;

/// The size of a resized map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// That of another value, which may be the network's input: `interpolate` with `size`.
    Like(Value),
    /// So many times the height and the width: `interpolate` with a whole `scale_factor`.
    Times(usize),
}

/// How the pixels of a resized map are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at the rounded down position: `mode="nearest"`.
    Nearest,
    /// From the four pixels around, where pixels are areas: `mode="bilinear"` with
    /// `align_corners=False`.
    Bilinear,
    /// From the four pixels around, where the corners' centres stay: `align_corners=True`.
    BilinearCorners,
}

impl Interpolation {
    /// The table for `to` rows or columns from `from` ones of `len` elements, as the kernel reads
    /// it: an offset each, or two and the bits of the second one's share.
    pub(crate) fn table(self, from: usize, to: usize, len: usize) -> Vec<u32> {
        match self {
            Self::Nearest => nearest(from, to, len),
            // Rounded once, as PyTorch's builds have it: else pixels of large maps would differ.
            Self::Bilinear => {
                linear(from, to, len, |i, ratio| ratio.mul_add(i as f32 + 0.5, -0.5).max(0.0))
            }
            Self::BilinearCorners => {
                let ratio = if to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { 0.0 };
                linear(from, to, len, |i, _| ratio * i as f32)
            }
        }
    }
}

/// A map in another size, to which `add` is added before the activation.
#[derive(Debug)]
pub(crate) struct Resize {
    pub(crate) x: Value,
    pub(crate) extent: Extent,
    pub(crate) interpolation: Interpolation,
    pub(crate) add: Option<Value>,
    pub(crate) activation: Activation,
}

impl Resize {
    /// Height and width of the result.
    pub(super) fn output(&self, of: impl Fn(Value) -> Shape) -> Result<(usize, usize), String> {
        let (height, width) = of(self.x).size();
        let size = match self.extent {
            Extent::Like(value) => of(value).size(),
            Extent::Times(n) => (height.saturating_mul(n), width.saturating_mul(n)),
        };
        match self.add.map(of) {
            Some(add) if add.size() != size => {
                Err(format!("{add} is added to a map of {}x{}", size.0, size.1))
            }
            _ => Ok(size),
        }
    }

    /// Multiply-adds of `len` outputs; where there are none, a quarter for the way through memory.
    pub(super) fn work(&self, len: usize) -> usize {
        if self.interpolation == Interpolation::Nearest { len / 4 } else { 4 * len }
    }

    /// For listings.
    pub(super) fn kernel(&self) -> String {
        let mode = match self.interpolation {
            _ if self.extent == Extent::Times(1) => "same",
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
            Interpolation::BilinearCorners => "corners",
        };
        let add = if self.add.is_some() { " +add" } else { "" };
        match self.activation {
            Activation::Identity => format!("{mode}{add}"),
            other => format!("{mode}{add} {other:?}").to_lowercase(),
        }
    }

    /// What is no size.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        if self.extent != Extent::Times(0) {
            return Ok(());
        }
        let reason = "expected a factor of at least one".into();
        Err(PlanError::Operands { operation: "resize", reason })
    }
}

/// Where the nearest of `from` things of `len` elements begins for each of `to`. The ratio is
/// rounded to `f32` first, as PyTorch does it.
pub(super) fn nearest(from: usize, to: usize, len: usize) -> Vec<u32> {
    let ratio = from as f32 / to as f32;
    let nearest = |i: usize| ((i as f32 * ratio) as usize).min(from - 1);
    (0..to).map(|i| (nearest(i) * len) as u32).collect()
}

/// For each of `to`, the two of `from` around its `position`, and the share of the second.
fn linear(from: usize, to: usize, len: usize, position: impl Fn(usize, f32) -> f32) -> Vec<u32> {
    let ratio = from as f32 / to as f32;
    let entry = |i: usize| {
        let position = position(i, ratio);
        let first = (position as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        let share = (position - first as f32).clamp(0.0, 1.0);
        [(first * len) as u32, (second * len) as u32, share.to_bits()]
    };
    (0..to).flat_map(entry).collect()
}
