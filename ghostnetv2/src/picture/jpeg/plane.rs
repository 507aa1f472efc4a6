//! The samples of one component.

use super::frame::{BLOCK, Component};

/// A plane of samples, padded to whole blocks.
pub(super) struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Size without padding.
    width: usize,
    height: usize,
}

/// What samples are where the file says nothing: the middle of their range.
const UNKNOWN: u8 = 128;

impl Plane {
    pub(super) fn new(component: &Component) -> Self {
        let stride = component.padded.0 * BLOCK;
        Self {
            samples: vec![UNKNOWN; stride * component.padded.1 * BLOCK],
            stride,
            width: component.width,
            height: component.height,
        }
    }

    /// The row `y`, without padding. Below the last row, it goes on for ever.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[y.min(self.height - 1) * self.stride..][..self.width]
    }

    /// Writes the block at (`x`, `y`), in blocks.
    pub(super) fn put(&mut self, x: usize, y: usize, block: &[[u8; BLOCK]; BLOCK]) {
        let start = y * BLOCK * self.stride + x * BLOCK;
        for (samples, row) in self.samples[start..].chunks_mut(self.stride).zip(block) {
            samples[..BLOCK].copy_from_slice(row);
        }
    }
}
