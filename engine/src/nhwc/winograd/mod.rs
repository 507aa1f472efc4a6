//! Dense 3x3 convolution of stride 1 and padding 1 by Winograd's minimal filtering.
//!
//! The map is cut into tiles. Each tile is evaluated at the points of [`tile`], which makes a
//! matrix `[tiles, channels]` of each point; the products of these with the kernels at the same
//! point are what [`super::gemm`] computes; and the results, interpolated, are the outputs. A block
//! of tiles goes through all of that while it is in the caches. Every output's sum is the same
//! however tiles and panels are divided.

mod tile;
mod transform;

use std::ops::Range;

use super::activation::Activation;
use super::gemm::{Dense, Gemm, Panel, Pixels, Target};
use crate::isa::{Isa, Op};
use crate::pack::Matrix;
use crate::plan::Window;

pub(crate) use tile::{IN, KERNEL, OUT};
use transform::{FromPoints, ToPoints};

/// Tiles in a block: 256 channels in and out take 3.6 MB at all points, and the kernels are read
/// again for every block.
const BLOCK: usize = 48;

/// Columns of outputs that are computed together.
const CHUNK: usize = 256;

/// The fewest channels in and out that are worth it: with fewer, the transforms take as long as
/// the products that they save.
const FEWEST: usize = 16;

/// Whether kernels of `c` inputs and `n` outputs are worth being kept at the points too.
pub(crate) fn suits(window: Window, (c, n): (usize, usize)) -> bool {
    window == Window::same((3, 3), 1) && c.min(n) >= FEWEST
}

/// How a map is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Height and width of the map.
    pub(crate) size: (usize, usize),
    /// Tiles in a row.
    columns: usize,
    /// All tiles.
    pub(crate) tiles: usize,
}

impl Grid {
    /// For the convolution of a map of this size.
    pub(crate) fn new(size: (usize, usize)) -> Self {
        let columns = size.1.div_ceil(OUT);
        Self { size, columns, tiles: columns * size.0.div_ceil(OUT) }
    }

    /// Whether the tiles' products are less than half of the direct ones: not on maps of five by
    /// five and less, and not on a few rows.
    pub(crate) fn pays(&self) -> bool {
        2 * self.tiles * IN * IN < self.size.0 * self.size.1 * 9
    }

    /// Row and column of a tile's first output.
    #[inline(always)]
    fn corner(&self, tile: usize) -> (usize, usize) {
        (tile / self.columns * OUT, tile % self.columns * OUT)
    }

    /// The rows and columns of a tile's inputs that lie on the map.
    #[inline(always)]
    fn inputs(&self, tile: usize) -> (Range<usize>, Range<usize>) {
        let (top, left) = self.corner(tile);
        // The first one is a step before the first output.
        let side = |first: usize, size: usize| usize::from(first == 0)..IN.min(size + 1 - first);
        (side(top, self.size.0), side(left, self.size.1))
    }
}

/// Some tiles and panels of a convolution.
pub(crate) struct Winograd<'a> {
    pub(crate) x: *const f32,
    /// The whole output map.
    pub(crate) y: *mut f32,
    /// Of input and output.
    pub(crate) channels: (usize, usize),
    pub(crate) grid: Grid,
    /// Panels with the biases.
    pub(crate) bias: &'a [(usize, Panel)],
    /// The kernels at each point.
    pub(crate) points: &'a [Matrix],
    pub(crate) panels: Range<usize>,
    pub(crate) tiles: Range<usize>,
    pub(crate) activation: Activation,
    pub(crate) scratch: *mut f32,
}

/// Elements between the matrices of two points beyond their own: a cache line, so that those of
/// one tile do not all fall on the same few places of a cache.
const APART: usize = 16;

/// Elements of scratch for blocks of at most `tiles` tiles.
pub(crate) fn scratch_len(tiles: usize, (c, n): (usize, usize), lanes: usize) -> usize {
    let columns = n.next_multiple_of(lanes).min(CHUNK);
    IN * IN * (tiles.min(BLOCK) * (c + columns) + 2 * APART)
}

impl Op for Winograd<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (c, n) = self.channels;
        let blocks = self.tiles.len().div_ceil(BLOCK);
        let mut first = self.tiles.start;
        for number in 1..=blocks {
            let end = self.tiles.start + self.tiles.len() * number / blocks;
            let tiles = first..end;
            let point_len = tiles.len() * c + APART;
            isa.run(ToPoints {
                x: self.x,
                channels: c,
                grid: self.grid,
                tiles: tiles.clone(),
                to: self.scratch,
                point_len,
            });
            let products = self.scratch.wrapping_add(IN * IN * point_len);
            let mut panel = self.panels.start;
            while panel < self.panels.end {
                let places = &self.points[0].panels[panel..self.panels.end];
                let column = places[0].0;
                let fits = |(start, panel): &(usize, Panel)| {
                    start + panel.vectors * I::LANES - column <= CHUNK
                };
                let count = places.iter().take_while(|place| fits(place)).count().max(1);
                let (last, Panel { vectors, .. }) = places[count - 1];
                let ld = last + vectors * I::LANES - column;
                for (point, kernels) in self.points.iter().enumerate() {
                    let a = Pixels {
                        data: self.scratch.wrapping_add(point * point_len),
                        ld: c,
                        count: tiles.len(),
                    };
                    let to = products.wrapping_add(point * (tiles.len() * ld + APART));
                    for &(start, mut panel) in &kernels.panels[panel..][..count] {
                        panel.tail = I::LANES; // the scratch has room for whole vectors
                        let to = to.wrapping_add(start - column);
                        let c = Target::dense(to, ld, usize::MAX, Activation::Identity);
                        isa.run(Gemm { a, panel, c, addressing: Dense });
                    }
                }
                isa.run(FromPoints {
                    from: products,
                    point_len: tiles.len() * ld + APART,
                    ld,
                    y: self.y.wrapping_add(column),
                    channels: n,
                    columns: ld.min(n - column),
                    grid: self.grid,
                    tiles: tiles.clone(),
                    bias: self.bias[panel].1.bias,
                    activation: self.activation,
                });
                panel += count;
            }
            first = end;
        }
    }
}
