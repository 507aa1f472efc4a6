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
    isa::{Isa, Op},
    scratch::Scratch,
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
        let lead =
            if stride.1 == 1 && output.1 >= lanes { first.wrapping_neg() % lanes } else { 0 };
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
        Self {
            columns: Columns::new(&geometry, part_len, part_pitch),
            geometry,
            lead,
            row_pitch,
            row_step,
            part_pitch,
            band: (blocks * block_rows).min(output.0),
            group: (TILE_ELEMENTS / len).max(1),
            len,
        }
    }

    /// Zeroed memory for one group of tiles.
    pub(super) fn scratch(&self) -> Result<Scratch, ShapeError> {
        Scratch::zeroed(self.len.saturating_mul(self.group))
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
    fn eval<I: Isa>(self, isa: I) {
        let Self { tiling, planes, first, rows, tiles } = self;
        let Geometry { kernel, stride, .. } = tiling.geometry;
        // Rows that follow each other in the padded plane and in the tile.
        let (runs, run_rows) = if stride.0 <= kernel.0 {
            (1, (rows - 1) * stride.0 + kernel.0)
        } else {
            (rows, kernel.0)
        };
        for run in 0..runs {
            tiling.fill_rows(isa, planes, [first + run, run], run_rows, tiles);
        }
    }
}

impl Tiling {
    /// Copies the `rows` rows from the first one on that output row `output` reads to those from
    /// `run` kernel heights on in each tile.
    #[inline(always)]
    fn fill_rows<I: Isa>(
        &self,
        isa: I,
        planes: &[f32],
        [output, run]: [usize; 2],
        rows: usize,
        tiles: &mut [f32],
    ) {
        let Geometry { source, kernel, stride, dilation, .. } = self.geometry;
        let span = self.geometry.source_rows(output * stride.0, rows);
        let start = run * kernel.0 * self.row_pitch;
        // The zero rows of a tile that always holds a whole plane stay zero.
        if self.band < self.geometry.output.0 && span.count < rows {
            for tile in tiles.chunks_exact_mut(self.len) {
                tile[start..][..rows * self.row_pitch].fill(0.0);
            }
        }
        if span.count > 0 {
            self.columns.copy(
                isa,
                Rows {
                    planes: planes.len() / self.geometry.source_len(),
                    rows: span.count,
                    width: source.1,
                    source: &planes[span.skip * source.1..],
                    source_pitch: self.geometry.source_len(),
                    tiles: &mut tiles[start + span.target * self.row_pitch + self.lead..],
                    tile_pitch: self.len,
                    row_pitch: dilation.0.saturating_mul(self.row_pitch),
                },
            );
        }
    }
}
