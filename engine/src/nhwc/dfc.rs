//! Decoupled fully connected attention: a pointwise convolution and depthwise ones along rows and
//! along columns, and a sigmoid, on the pooled map.
//!
//! # Source
//! GhostNetV2 (arXiv 2211.12905), equations 3 and 4, with convolutions of 5 for the long-range
//! aggregation as in the official code.

use std::ops::Range;

use super::activation::Activation;
use super::band::{self, Band, Under};
use super::depthwise::{Filter, Plain, Row, rows_under};
use super::gemm::{Dense, Gemm, Panel, Pixels, Target};
use crate::isa::{Isa, Op};

/// Some rows of one panel of channels of the gate.
pub(crate) struct Dfc {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    pub(crate) size: (usize, usize),
    /// Of the input and of the gate.
    pub(crate) channels: (usize, usize),
    /// The panel of the pointwise convolution and its first column.
    pub(crate) panel: (usize, Panel),
    pub(crate) horizontal: Filter,
    pub(crate) vertical: Filter,
    pub(crate) activation: Activation,
    pub(crate) rows: Range<usize>,
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for a panel of `columns` columns and kernels of `(1, kw)` and `(kh, 1)`.
pub(crate) fn scratch_len(
    (height, width): (usize, usize),
    (kh, kw): (usize, usize),
    columns: usize,
) -> usize {
    2 * band::scratch_len(height, kh, (width + kw - 1) * columns)
}

impl Op for Dfc {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (height, width) = self.size;
        let (input, channels) = self.channels;
        let (column, mut panel) = self.panel;
        panel.tail = I::LANES; // the bands have room for whole vectors
        let (kh, kw) = (self.vertical.kernel.0, self.horizontal.kernel.1);
        let ld = panel.vectors * I::LANES;
        let padded = (width + kw - 1) * ld;
        let capacity = band::capacity(height, kh, padded);
        let vectors = (column / I::LANES, column / I::LANES + panel.vectors);
        let under = |oy: usize| rows_under(oy, kh, 1, kh / 2, height);
        let last_row = under(self.rows.end - 1).0.end;
        let mut oy = self.rows.start;
        let from = under(oy).0.start;
        // SAFETY: the scratch has `scratch_len` for both bands, the maps have their sizes, and
        // every row that is read has been filled.
        unsafe {
            let wide = self.scratch.add(capacity * padded);
            let mut mixed = Band::new(wide, ld, (width, kw / 2), capacity, from);
            let mut tall = Band::new(self.scratch, ld, (width, 0), capacity, from);
            while oy < self.rows.end {
                let fill = tall.room_after(under(oy).0.start).min(last_row - tall.end());
                mixed.room_after(tall.end());
                let a = Pixels {
                    data: self.x.add(tall.end() * width * input),
                    ld: input,
                    count: fill * width,
                };
                let c = Target {
                    data: mixed.grow(fill),
                    ld,
                    width,
                    gap: mixed.gap(),
                    activation: Activation::Identity,
                    add: std::ptr::null(),
                    add_ld: 0,
                };
                isa.run(Gemm { a, panel, c, addressing: Dense });
                for _ in 0..fill {
                    let x = Under::straight(mixed.row(tall.end()), 0);
                    let y = tall.grow(1).wrapping_sub(vectors.0 * I::LANES);
                    let row = Row {
                        filter: self.horizontal,
                        x,
                        ld,
                        taps: (0, 1),
                        vectors,
                        width,
                        activation: Activation::Identity,
                        target: Plain { y, ld, channels: vectors.1 * I::LANES },
                        below: None,
                    };
                    isa.run(row);
                }
                while oy < self.rows.end && under(oy).0.end <= tall.end() {
                    let (rows, taps) = under(oy);
                    let row = Row {
                        filter: self.vertical,
                        x: tall.under(rows.start, 1),
                        ld,
                        taps,
                        vectors,
                        width,
                        activation: self.activation,
                        target: Plain {
                            y: self.y.add(oy * width * channels),
                            ld: channels,
                            channels,
                        },
                        below: None,
                    };
                    isa.run(row);
                    oy += 1;
                }
            }
        }
    }
}
