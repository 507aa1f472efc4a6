//! The gradient of depthwise convolution with respect to its weights.

use super::{DepthwiseShape, geometry::Geometry, tile::Tiling};
use crate::{
    ShapeError,
    isa::{AnyIsa, Isa, Op},
    threads::for_each_run,
};

/// Writes the gradient of w to `gw`, for the gradient `gy` of y.
///
/// Sums over one band of rows are in `f32`, sums over bands and the batch in `f64`.
///
/// # Shapes
/// `gy` as y, `gw` as w; see [`DepthwiseShape::new`].
///
/// # Errors
/// [`ShapeError::Length`] for a slice that does not fit the shape.
pub fn grad_weight(
    shape: &DepthwiseShape,
    x: &[f32],
    gy: &[f32],
    gw: &mut [f32],
) -> Result<(), ShapeError> {
    grad_weight_on(AnyIsa::best(), shape, x, gy, gw)
}

/// [`grad_weight`] on an instruction set of the caller's choice.
///
/// # Errors
/// See [`grad_weight`].
pub fn grad_weight_on(
    isa: AnyIsa,
    shape: &DepthwiseShape,
    x: &[f32],
    gy: &[f32],
    gw: &mut [f32],
) -> Result<(), ShapeError> {
    shape.check_x("x", x.len())?;
    shape.check_y("gy", gy.len())?;
    shape.check_w("gw", gw.len())?;
    let geometry = Geometry::forward(shape);
    let tiling = Tiling::new(geometry, isa.lanes(), 1);
    let kernel_len = geometry.kernel_len();
    let work = geometry.work().saturating_mul(shape.batch());
    // A thread has whole channels, and the batch is summed in order.
    for_each_run(gw, kernel_len, work, |first_channel, gw| {
        let mut tiles = tiling.scratch()?;
        let tiles = &mut tiles[..];
        isa.run(Channels { shape, geometry, tiling: &tiling, first_channel, x, gy, tiles, gw });
        Ok(())
    })
}

/// The gradient of the filters of some consecutive channels.
struct Channels<'a> {
    shape: &'a DepthwiseShape,
    geometry: Geometry,
    tiling: &'a Tiling,
    first_channel: usize,
    x: &'a [f32],
    gy: &'a [f32],
    tiles: &'a mut [f32],
    gw: &'a mut [f32],
}

impl Op for Channels<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { shape, geometry, tiling, first_channel, x, gy, tiles, gw } = self;
        let (source_len, output_len) = (geometry.source_len(), geometry.output_len());
        let kernel_len = geometry.kernel_len();
        let (rows, width) = geometry.output;
        let mut sums = vec![0.0f64; tiling.group * kernel_len];
        for (group, gw) in gw.chunks_mut(sums.len()).enumerate() {
            let channels = gw.len() / kernel_len;
            sums.fill(0.0);
            for picture in 0..shape.batch() {
                let plane = picture * shape.channels() + first_channel + group * tiling.group;
                let x = &x[plane * source_len..][..channels * source_len];
                let gy = &gy[plane * output_len..][..channels * output_len];
                for first in (0..rows).step_by(tiling.band) {
                    let rows = tiling.band.min(rows - first);
                    tiling.fill(isa, x, first, rows, tiles);
                    let tiles = tiles.chunks_exact(tiling.len);
                    let sums = sums.chunks_exact_mut(kernel_len);
                    for ((gy, tile), sums) in gy.chunks_exact(output_len).zip(tiles).zip(sums) {
                        let gy = &gy[first * width..][..rows * width];
                        Band { geometry, tiling, tile, gy, rows }.add_to(isa, sums);
                    }
                }
            }
            for (gw, sum) in gw.iter_mut().zip(&sums) {
                *gw = *sum as f32;
            }
        }
    }
}

/// Some rows of one plane of `gy`, and the tile that holds all of x that they meet.
struct Band<'a> {
    geometry: Geometry,
    tiling: &'a Tiling,
    tile: &'a [f32],
    gy: &'a [f32],
    rows: usize,
}

impl Band<'_> {
    /// Adds the band's part of every tap's gradient.
    #[inline(always)]
    fn add_to<I: Isa>(&self, isa: I, sums: &mut [f64]) {
        // As many taps at a time as have registers for their sums.
        match self.geometry.kernel {
            (3, 3) => self.add_taps::<I, 3, 3>(isa, 0, 0, sums),
            (5, 1) => self.add_taps::<I, 5, 1>(isa, 0, 0, sums),
            (height, 5) => {
                for ky in 0..height {
                    self.add_taps::<I, 1, 5>(isa, ky, 0, sums);
                }
            }
            (height, width) => {
                for ky in 0..height {
                    for kx in 0..width {
                        self.add_taps::<I, 1, 1>(isa, ky, kx, sums);
                    }
                }
            }
        }
    }

    /// Adds the part of the `KH` by `KW` taps from (`ky`, `kx`) on.
    #[inline(always)]
    fn add_taps<I: Isa, const KH: usize, const KW: usize>(
        &self,
        isa: I,
        ky: usize,
        kx: usize,
        sums: &mut [f64],
    ) {
        let width = self.geometry.output.1;
        let row_pitch = self.tiling.row_pitch;
        let taps: [usize; KW] = std::array::from_fn(|x| self.tiling.tap(ky, kx + x));
        let mut parts = [[isa.splat(0.0); KW]; KH];
        for row in 0..self.rows {
            let first = row * self.tiling.row_step * row_pitch + self.tiling.lead;
            let mut column = 0;
            while column < width {
                let lanes = I::LANES.min(width - column);
                // SAFETY: `gy` has `rows` rows of `width`, and the tile has every tap of them. No
                // lane is read behind the last column of a tap: what the tile holds there may be
                // infinite and must not meet a zero lane of `gy`.
                unsafe {
                    let gy = load_lanes(isa, self.gy.as_ptr().add(row * width + column), lanes);
                    for y in 0..KH {
                        let x = self.tile.as_ptr().add(first + y * row_pitch + column);
                        for (part, tap) in parts[y].iter_mut().zip(taps) {
                            *part = isa.fma(gy, load_lanes(isa, x.add(tap), lanes), *part);
                        }
                    }
                }
                column += lanes;
            }
        }
        for (y, parts) in parts.into_iter().enumerate() {
            let at = (ky + y) * self.geometry.kernel.1 + kx;
            for (sum, part) in sums[at..].iter_mut().zip(parts) {
                *sum += f64::from(isa.sum(part));
            }
        }
    }
}

/// Reads the first `lanes` lanes, which are nearly always all.
///
/// # Safety
/// As [`Isa::load_partial`].
#[inline(always)]
unsafe fn load_lanes<I: Isa>(isa: I, src: *const f32, lanes: usize) -> I::F32 {
    // SAFETY: as the caller vouches.
    unsafe { if lanes == I::LANES { isa.load(src) } else { isa.load_partial(src, lanes) } }
}
