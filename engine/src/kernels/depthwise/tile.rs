//! The padded copy that the inner loops read: a few rows of a plane, or a few small planes.
//!
//! Rows that no tap reads, between those of a stride that is larger than the kernel, are left out.
//! A tile row is cut into one part per phase of the horizontal stride: part `f` holds the padded
//! columns f, f + s, f + 2s, …, so that a tap of neighbouring outputs reads neighbouring elements.
//! Where rows are narrower than a vector there is room behind each part for whole vectors to be
//! read from and zeros to be written to.

use super::{
    copy::{Columns, Rows},
    geometry::Geometry,
};
use crate::{
    ShapeError,
    buffer::Buffer,
    isa::{Isa, Op},
};

/// Elements that a tile should have at most: half of a first-level cache of 32 KB, so that the
/// plane it is copied from and the output find room beside it.
const TILE_ELEMENTS: usize = 4096;

/// How planes are cut into tiles, and how one tile is laid out.
#[derive(Debug)]
pub(super) struct Tiling {
    geometry: Geometry,
    columns: Columns,
    /// Unused elements at the start of a row, which bring its first column to a vector's boundary.
    pub(super) lead: usize,
    /// Elements from one row to the next.
    pub(super) row_pitch: usize,
    /// Tile rows from one output row to the next.
    pub(super) row_step: usize,
    /// Elements from one part of a row to the next.
    pub(super) part_pitch: usize,
    /// Output rows that one tile serves.
    pub(super) band: usize,
    /// Planes that are copied before any is computed: a load from a row that was stored a few
    /// instructions ago waits for the store, and other small planes fill the time.
    pub(super) group: usize,
    /// Elements of one plane's tile.
    pub(super) len: usize,
}

impl Tiling {
    /// The tiling of `geometry` for vectors of `lanes` and outputs in blocks of `block_rows`.
    pub(super) fn new(geometry: Geometry, lanes: usize, block_rows: usize) -> Self {
        let (kernel, stride, output) = (geometry.kernel, geometry.stride, geometry.output);
        let part_len = output.1 + (kernel.1 - 1) / stride.1;
        let first = geometry.origin.1.max(0).unsigned_abs() / stride.1;
        let aligned = stride.1 == 1 && output.1 >= lanes;
        let lead = if aligned { first.next_multiple_of(lanes) - first } else { 0 };
        // Vectors may be read at the last tap of the first column, and zeros be written behind a
        // row of the source that is narrower than a vector.
        let room = part_len.max((kernel.1 - 1) / stride.1 + lanes).max(first + 1 + lanes);
        let part_pitch = (lead + room).next_multiple_of(lanes);
        let row_pitch = part_pitch.saturating_mul(stride.1.min(kernel.1));

        let row_step = stride.0.min(kernel.0);
        let fitting = (TILE_ELEMENTS / row_pitch).saturating_sub(kernel.0) / row_step + 1;
        let blocks = (fitting / block_rows).clamp(1, output.0.div_ceil(block_rows));
        // Room for whole blocks, also where the picture ends within one.
        let rows = (blocks * block_rows - 1).saturating_mul(row_step).saturating_add(kernel.0);
        let len = rows.saturating_mul(row_pitch);
        let band = (blocks * block_rows).min(output.0);
        // Outputs are computed in ascending order, which several bands of several planes are not.
        let group = if band == output.0 { (TILE_ELEMENTS / len).max(1) } else { 1 };
        Self {
            columns: Columns::new(&geometry, part_len, part_pitch),
            geometry,
            lead,
            row_pitch,
            row_step,
            part_pitch,
            band,
            group,
            len,
        }
    }

    /// Zeroed memory for one group of tiles.
    pub(super) fn scratch(&self) -> Result<Buffer, ShapeError> {
        Buffer::zeroed(self.len.saturating_mul(self.group))
    }

    /// How far behind tap (0, 0) tap (`ky`, `kx`) is in a tile.
    pub(super) fn tap(&self, ky: usize, kx: usize) -> usize {
        let stride = self.geometry.stride.1;
        ky * self.row_pitch + kx % stride * self.part_pitch + kx / stride
    }

    /// Copies what `rows` output rows from `first` on need of each plane of `planes` into its tile.
    ///
    /// `tiles` comes from [`Tiling::scratch`] and may hold earlier tiles of the same tiling.
    #[inline(always)]
    pub(super) fn fill<I: Isa>(
        &self,
        isa: I,
        planes: &[f32],
        first: usize,
        rows: usize,
        tiles: &mut [f32],
    ) {
        // A function of its own, so that it is compiled once and not for every kernel.
        isa.run(Fill { tiling: self, planes, first, rows, tiles });
    }
}

/// See [`Tiling::fill`].
struct Fill<'a> {
    tiling: &'a Tiling,
    planes: &'a [f32],
    first: usize,
    rows: usize,
    tiles: &'a mut [f32],
}

impl Op for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let Geometry { kernel, stride, .. } = self.tiling.geometry;
        if stride.0 <= kernel.0 {
            self.run(isa, 0, (self.rows - 1) * stride.0 + kernel.0);
        } else {
            for run in 0..self.rows {
                self.run(isa, run, kernel.0);
            }
        }
    }
}

impl Fill<'_> {
    /// Copies `rows` consecutive rows of the padded planes, from the first one on that output row
    /// number `run` reads.
    #[inline(always)]
    fn run<I: Isa>(&mut self, isa: I, run: usize, rows: usize) {
        let Tiling { geometry, columns, row_pitch, .. } = *self.tiling;
        let span = geometry.source_rows((self.first + run) * geometry.stride.0, rows);
        let start = run * geometry.kernel.0 * row_pitch;
        // The zero rows of a tile that always holds a whole plane stay zero.
        if self.tiling.band < geometry.output.0 && span.count < rows {
            self.tiles[start..][..rows * row_pitch].fill(0.0);
        }
        if span.count == 0 {
            return;
        }
        columns.copy(
            isa,
            Rows {
                planes: self.planes.len() / geometry.source_len(),
                rows: span.count,
                width: geometry.source.1,
                source: &self.planes[span.skip * geometry.source.1..],
                source_pitch: geometry.source_len(),
                tiles: &mut self.tiles[start + span.target * row_pitch + self.tiling.lead..],
                tile_pitch: self.tiling.len,
                row_pitch: geometry.dilation.0.saturating_mul(row_pitch),
            },
        );
    }
}
