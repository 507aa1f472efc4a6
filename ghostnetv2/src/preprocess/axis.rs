//! One direction of a resize: which source pixels a target pixel reads, and with what weights.

use std::ops::Range;

use super::Filter;

/// Bits behind the binary point of a quantised weight: 32, less 8 for the pixel, less 2 because
/// filters with negative lobes overshoot.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The accumulator's start: one half, so that the final shift rounds.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Maps target pixels of one direction to windows of source pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    source: usize,
    target: u64,
    filter: Filter,
    /// Source pixels per target pixel.
    scale: f64,
    /// How far a window reaches from its centre, in source pixels.
    support: f64,
    /// Converts a distance in source pixels to the filter's unit.
    inverse_filter_scale: f64,
}

impl Axis {
    /// An axis that stretches or shrinks `source` pixels to `target` pixels.
    pub(super) fn new(source: usize, target: u64, filter: Filter) -> Self {
        // Pillow carries the source box in single precision.
        let scale = f64::from(source as f32) / target as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        Self { source, target, filter, scale, support, inverse_filter_scale: 1.0 / filter_scale }
    }

    /// Whether this direction keeps its size, so that its pass is skipped.
    pub(super) fn is_identity(&self) -> bool {
        self.source as u64 == self.target
    }

    /// Pixels that this axis takes away; negative where it adds some.
    pub(super) fn removed(&self) -> i64 {
        self.source as i64 - self.target as i64
    }

    /// An upper bound for the length of every window.
    pub(super) fn longest_window(&self) -> usize {
        (self.support.ceil() as usize).saturating_mul(2).saturating_add(1).min(self.source)
    }

    /// Source pixels that any of the `targets` reads.
    pub(super) fn reads(&self, targets: Range<u64>) -> Range<usize> {
        if self.is_identity() {
            return targets.start as usize..targets.end as usize;
        }
        self.window(targets.start).start..self.window(targets.end.saturating_sub(1)).end
    }

    /// Source pixels that the target pixel `index` reads.
    pub(super) fn window(&self, index: u64) -> Range<usize> {
        let centre = self.centre(index);
        // Casts of floats saturate, which is the lower clamp that is wanted here.
        let start = (centre - self.support + 0.5) as usize;
        let end = ((centre + self.support + 0.5) as usize).min(self.source);
        start.min(end)..end
    }

    /// Replaces `weights` by those of the window of `index`, which sum to one.
    pub(super) fn weights(&self, index: u64, weights: &mut Vec<f64>) {
        let centre = self.centre(index);
        weights.clear();
        weights.extend(self.window(index).map(|position| {
            self.filter.weight((position as f64 - centre + 0.5) * self.inverse_filter_scale)
        }));
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
    }

    fn centre(&self, index: u64) -> f64 {
        (index as f64 + 0.5) * self.scale
    }
}

/// A weight in fixed point, rounded half away from zero.
pub(super) fn quantise(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    if weight < 0.0 { (scaled - 0.5) as i32 } else { (scaled + 0.5) as i32 }
}

/// A finished accumulator as a pixel.
pub(super) fn to_pixel(accumulator: i32) -> u8 {
    (accumulator >> PRECISION_BITS).clamp(0, 255) as u8
}
