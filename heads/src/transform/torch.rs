//! Bilinear resampling as PyTorch does it: two pixels on each axis, however much it shrinks.
//!
//! # Source
//! `interpolate(mode="bilinear", align_corners=False)`; `UpSample.h` of PyTorch's ATen.

use crate::placement::Size;

/// Resizes a plane.
pub(super) fn resize(plane: &[f32], from: Size, to: Size) -> Vec<f32> {
    let columns: Vec<Taps> = (0..to.1).map(|x| Taps::new(x, from.1, to.1)).collect();
    let mut resized = Vec::with_capacity(to.0 * to.1);
    for y in 0..to.0 {
        let rows = Taps::new(y, from.0, to.0);
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

/// The pixels that one is mixed of, and the share of the second.
struct Taps {
    first: usize,
    second: usize,
    share: f32,
}

impl Taps {
    fn new(i: usize, from: usize, to: usize) -> Self {
        let scale = from as f32 / to as f32;
        let place = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
        let first = (place as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        Self { first, second, share: (place - first as f32).clamp(0.0, 1.0) }
    }
}
