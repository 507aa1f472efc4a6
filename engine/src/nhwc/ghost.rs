//! The ghost module: a pointwise convolution, a cheap depthwise one on its outputs, and both
//! joined, gated or added to the shortcut.
//!
//! # Source
//! GhostNet (arXiv 1911.11907), section 3.1; the gate is GhostNetV2's (arXiv 2211.12905, eq. 5).
//!
//! The primary features go to a [`Band`] and are read there while they are in the cache; what is
//! stored is final. A task computes some rows of all panels, or all rows of some panels.

use std::ops::Range;

use super::activation::Activation;
use super::band::{self, Band};
use super::depthwise::{Filter, Merge, Row, RowTarget, rows_under};
use super::gemm::{Dense, Gemm, Panel, Pixels, Target};
use crate::isa::{Isa, Op};

/// The shortcut or the gate of a ghost module.
#[derive(Clone, Copy)]
pub(crate) enum Join {
    None,
    /// A map of the output's shape.
    Add(*const f32),
    /// A map of the output's channels in another resolution, of which `columns` and `rows` tell
    /// the pixel for each of the output's.
    Gate { gate: *const f32, width: usize, columns: *const u32, rows: *const u32 },
}

/// Some rows and one run of panels of a ghost module.
pub(crate) struct Ghost<'a> {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) size: (usize, usize),
    /// Input channels, primary channels, and channels of the output.
    pub(crate) channels: (usize, usize, usize),
    /// Neighbouring panels of the primary convolution, and the first column of each.
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) cheap: Filter,
    pub(crate) activation: Activation,
    pub(crate) join: Join,
    pub(crate) rows: Range<usize>,
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for bands of at most `columns` columns.
pub(crate) fn scratch_len((height, width): (usize, usize), kernel: usize, columns: usize) -> usize {
    let row_len = (width + kernel - 1) * columns;
    band::capacity(height, kernel, row_len) * row_len
}

impl Op for Ghost<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (Some(&(column, _)), Some(&(last_column, last))) =
            (self.panels.first(), self.panels.last())
        else {
            return;
        };
        let (height, width) = self.size;
        let (input, primary, channels) = self.channels;
        let kernel = self.cheap.kernel.0;
        let padding = kernel / 2;
        let ld = last_column - column + last.vectors * I::LANES;
        let row_len = (width + kernel - 1) * ld;
        let capacity = band::capacity(height, kernel, row_len);
        let under = |oy: usize| rows_under(oy, kernel, 1, padding, height);
        let last_row = under(self.rows.end - 1).0.end;
        let vectors = (column / I::LANES, column / I::LANES + ld / I::LANES);
        let mut oy = self.rows.start;
        // SAFETY: the scratch has `scratch_len`, the maps have their sizes, and every row that is
        // read has been filled.
        unsafe {
            let mut band =
                Band::new(self.scratch, ld, (width, padding), capacity, under(oy).0.start);
            while oy < self.rows.end {
                let room = band.room_after(under(oy).0.start);
                let fill = room.min(last_row - band.end());
                let a = Pixels {
                    data: self.x.add(band.end() * width * input),
                    ld: input,
                    count: fill * width,
                };
                let to = band.grow(fill);
                for &(panel_column, mut panel) in self.panels {
                    panel.tail = I::LANES; // the band has room for whole vectors
                    let c = Target {
                        data: to.add(panel_column - column),
                        ld,
                        width,
                        gap: band.gap(),
                        activation: self.activation,
                        add: std::ptr::null(),
                        add_ld: 0,
                    };
                    isa.run(Gemm { a, panel, c, addressing: Dense });
                }
                while oy < self.rows.end && under(oy).0.end <= band.end() {
                    let (rows, taps) = under(oy);
                    let pixel = oy * width;
                    let merge = match self.join {
                        Join::None => Merge::None,
                        Join::Add(add) => Merge::Add { add: add.add(pixel * channels), ld: channels },
                        Join::Gate { gate, width, columns, rows } => {
                            let row = *rows.add(oy) as usize;
                            let gate = gate.add(row * width * channels);
                            Merge::Gate { gate, ld: channels, columns }
                        }
                    };
                    let row = Row {
                        x: band.row(rows.start),
                        row_len,
                        ld,
                        taps,
                        vectors,
                        width,
                        activation: self.activation,
                        target: RowTarget::Ghost {
                            y: self.y.add(pixel * channels),
                            ld: channels,
                            channels,
                            primary,
                            from: band.pixel(oy),
                            merge,
                        },
                    };
                    self.cheap.row(isa, &row);
                    oy += 1;
                }
            }
        }
    }
}
