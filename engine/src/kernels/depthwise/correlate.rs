//! Correlation of padded planes: copies tiles, then sweeps over their rows and columns.

use super::geometry::Geometry;
use super::taps::{Fixed, General, Taps};
use super::tile::Tiling;
use crate::{
    ShapeError,
    isa::{AnyIsa, Isa, MAX_LANES, Op},
    threads::for_each_run,
};

/// Output rows in one register block.
const BLOCK_ROWS: usize = 8;

/// Output rows in a block where no more are left, or where a larger one has too few registers.
const SMALL_BLOCK_ROWS: usize = 4;

/// A correlation of every plane of `source` with the filter of its channel.
///
/// The slices are as long as the geometry says; the entry points have checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation<'a> {
    pub(super) geometry: Geometry,
    pub(super) channels: usize,
    pub(super) source: &'a [f32],
    pub(super) weights: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
}

impl Correlation<'_> {
    /// Writes the correlation to `output`.
    pub(super) fn run(&self, isa: AnyIsa, output: &mut [f32]) -> Result<(), ShapeError> {
        let tiling = Tiling::new(self.geometry, isa.lanes(), BLOCK_ROWS);
        let plane_len = self.geometry.output_len();
        for_each_run(output, plane_len, self.geometry.work(), |first_plane, output| {
            let mut scratch = tiling.scratch()?;
            let scratch = &mut scratch[..];
            isa.run(Planes { correlation: self, tiling: &tiling, first_plane, scratch, output });
            Ok(())
        })
    }
}

/// Some consecutive planes of a correlation.
struct Planes<'a> {
    correlation: &'a Correlation<'a>,
    tiling: &'a Tiling,
    first_plane: usize,
    scratch: &'a mut [f32],
    output: &'a mut [f32],
}

impl Op for Planes<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let geometry = &self.correlation.geometry;
        match (geometry.kernel, geometry.stride) {
            ((3, 3), (1, 1)) => self.sweep(isa, Fixed::<3, 3, 1>),
            ((3, 3), (2, 2)) => self.sweep(isa, Fixed::<3, 3, 2>),
            ((5, 5), (1, 1)) => self.sweep(isa, Fixed::<5, 5, 1>),
            ((5, 5), (2, 2)) => self.sweep(isa, Fixed::<5, 5, 2>),
            ((1, 5), (1, 1)) => self.sweep(isa, Fixed::<1, 5, 1>),
            ((5, 1), (1, 1)) => self.sweep(isa, Fixed::<5, 1, 1>),
            (kernel, _) => self.sweep(isa, General { kernel }),
        }
    }
}

impl Planes<'_> {
    #[inline(always)]
    fn sweep<I: Isa, T: Taps>(self, isa: I, taps: T) {
        let Correlation { geometry, channels, source, weights, bias } = *self.correlation;
        let (source_len, kernel_len) = (geometry.source_len(), geometry.kernel_len());
        let (rows, width) = geometry.output;
        let planes = self.output.len() / geometry.output_len();

        // In ascending order of output rows: see `Band::block`.
        for group in (0..planes).step_by(self.tiling.group) {
            let group = group..planes.min(group + self.tiling.group);
            for first in (0..rows).step_by(self.tiling.band) {
                let band = self.tiling.band.min(rows - first);
                let source = &source[(self.first_plane + group.start) * source_len..];
                let source = &source[..group.len() * source_len];
                self.tiling.fill(isa, source, first, band, self.scratch);
                let tiles = self.scratch.chunks_exact(self.tiling.len);
                for (plane, tile) in group.clone().zip(tiles) {
                    let channel = (self.first_plane + plane) % channels;
                    Band {
                        taps,
                        tiling: self.tiling,
                        weights: &weights[channel * kernel_len..][..kernel_len],
                        bias: bias.map_or(0.0, |bias| bias[channel]),
                        tile,
                        rows: band,
                        width,
                        output: &mut self.output[(plane * rows + first) * width..],
                    }
                    .sweep(isa);
                }
            }
        }
    }
}

/// Some rows of one output plane, and the tile that holds all they need.
struct Band<'a, T> {
    taps: T,
    tiling: &'a Tiling,
    weights: &'a [f32],
    bias: f32,
    tile: &'a [f32],
    rows: usize,
    width: usize,
    /// The output from the band's first element on, to the end of what this thread writes.
    output: &'a mut [f32],
}

impl<T: Taps> Band<'_, T> {
    #[inline(always)]
    fn sweep<I: Isa>(mut self, isa: I) {
        assert!(self.output.len() >= self.rows * self.width);
        let block_rows = if T::LARGE_BLOCKS { BLOCK_ROWS } else { SMALL_BLOCK_ROWS };
        for row in (0..self.rows).step_by(block_rows) {
            if T::LARGE_BLOCKS && self.rows - row > SMALL_BLOCK_ROWS {
                self.sweep_columns::<I, BLOCK_ROWS>(isa, row);
            } else {
                self.sweep_columns::<I, SMALL_BLOCK_ROWS>(isa, row);
            }
        }
    }

    /// Computes `R` rows from `row` on.
    #[inline(always)]
    fn sweep_columns<I: Isa, const R: usize>(&mut self, isa: I, row: usize) {
        // The last vector goes back to be whole; what it computes again comes out the same.
        let last = self.width.saturating_sub(I::LANES);
        let mut column = 0;
        loop {
            self.block::<I, R>(isa, row, column);
            if column == last {
                break;
            }
            column = last.min(column + I::LANES);
        }
    }

    /// Computes the vector at `column` of `R` rows from `row` on.
    #[inline(always)]
    fn block<I: Isa, const R: usize>(&mut self, isa: I, row: usize, column: usize) {
        // SAFETY: the tile has all that whole blocks of output rows need, and each row of it is
        // long enough that a vector can be read at every tap of a vector that starts at column 0
        // or ends within `width`. There are as many weights as the kernel's size says.
        let sums = unsafe {
            let first = row * self.tiling.row_step * self.tiling.row_pitch + self.tiling.lead;
            let at = self.tile.as_ptr().add(first + column);
            let sums = [isa.splat(self.bias); R];
            self.taps.accumulate::<I, R>(isa, self.tiling, self.weights.as_ptr(), at, sums)
        };
        // Where a row is narrower than a vector, or the band ends within the block, this writes on
        // into outputs that are computed later. Where there are none, the rest is cut off. One
        // test for the whole block: between stores it would tear the arithmetic apart.
        let at = row * self.width + column;
        if at + (R - 1) * self.width + I::LANES <= self.output.len() {
            for r in 0..R {
                // SAFETY: the last store, and so each, ends within the output.
                unsafe { isa.store(self.output.as_mut_ptr().add(at + r * self.width), sums[r]) };
            }
        } else {
            for r in 0..R {
                let mut lanes = [0.0; MAX_LANES];
                // SAFETY: no vector has more than MAX_LANES lanes.
                unsafe { isa.store(lanes.as_mut_ptr(), sums[r]) };
                store_within(self.output, at + r * self.width, &lanes[..I::LANES]);
            }
        }
    }
}

/// Writes those of `lanes` that fall into `output`.
#[cold]
#[inline(never)]
fn store_within(output: &mut [f32], at: usize, lanes: &[f32]) {
    if let Some(room) = output.get_mut(at..) {
        let count = room.len().min(lanes.len());
        room[..count].copy_from_slice(&lanes[..count]);
    }
}
