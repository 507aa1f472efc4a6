//! The frame: size, components, and where their blocks lie.

use super::{corrupt, unsupported};
use crate::picture::PictureFault;

/// Samples along a side of a block.
pub(super) const BLOCK: usize = 8;

/// Coefficients, or samples, of a block.
pub(super) const BLOCK_SIZE: usize = BLOCK * BLOCK;

/// What a start-of-frame segment says.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// Largest sampling factors of all components, horizontal and vertical.
    pub(super) sampling: (usize, usize),
}

/// One colour plane, maybe of lower resolution than the picture.
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, horizontal and vertical.
    pub(super) sampling: (usize, usize),
    /// Number of the quantisation table.
    pub(super) table: u8,
    /// Size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Size in blocks, as far as the samples go.
    pub(super) blocks: (usize, usize),
    /// Size in blocks with those that fill up the last units of an interleaved scan.
    pub(super) padded: (usize, usize),
}

impl Frame {
    pub(super) fn parse(segment: &[u8], progressive: bool) -> Result<Self, PictureFault> {
        let (&[precision, h1, h0, w1, w0, count], specs) =
            segment.split_first_chunk().ok_or_else(|| corrupt("a frame header is too short"))?;
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        if precision != 8 {
            return Err(unsupported(format!("{precision} bits per sample")));
        }
        if width == 0 || height == 0 || specs.len() != usize::from(count) * 3 {
            return Err(corrupt("a frame header contradicts itself"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(unsupported(format!("{count} components")));
        }
        let factors = |spec: &[u8]| (usize::from(spec[1] >> 4), usize::from(spec[1] & 15));
        let all: Vec<_> = specs.chunks_exact(3).map(factors).collect();
        if all.iter().any(|&(h, v)| !(1..=4).contains(&h) || !(1..=4).contains(&v)) {
            return Err(corrupt("a sampling factor is not between 1 and 4"));
        }
        let sampling = all.iter().fold((1, 1), |max, &(h, v)| (max.0.max(h), max.1.max(v)));
        let components = specs
            .chunks_exact(3)
            .zip(all)
            .map(|(spec, own)| Component::new((width, height), spec, own, sampling))
            .collect();
        Ok(Self { width, height, progressive, components, sampling })
    }

    /// Size of an interleaved scan in minimum coded units.
    pub(super) fn units(&self) -> (usize, usize) {
        (
            self.width.div_ceil(self.sampling.0 * BLOCK),
            self.height.div_ceil(self.sampling.1 * BLOCK),
        )
    }
}

impl Component {
    fn new(
        picture: (usize, usize),
        spec: &[u8],
        sampling: (usize, usize),
        max: (usize, usize),
    ) -> Self {
        let width = (picture.0 * sampling.0).div_ceil(max.0);
        let height = (picture.1 * sampling.1).div_ceil(max.1);
        Self {
            id: spec[0],
            sampling,
            table: spec[2],
            width,
            height,
            blocks: (width.div_ceil(BLOCK), height.div_ceil(BLOCK)),
            padded: (
                picture.0.div_ceil(max.0 * BLOCK) * sampling.0,
                picture.1.div_ceil(max.1 * BLOCK) * sampling.1,
            ),
        }
    }
}
