//! A depthwise convolution behind a ghost module, row by row while the module is computed.

use std::ops::Range;

use crate::isa::Isa;
use crate::nhwc::activation::Activation;
use crate::nhwc::band::{self, Band};
use crate::nhwc::depthwise::{Filter, Plain, Row, rows_under};

/// A depthwise convolution of the module's output, which then is not stored.
#[derive(Clone, Copy)]
pub(crate) struct Then {
    pub(crate) filter: Filter,
    pub(crate) padding: (usize, usize),
    /// Height and width of its output, which goes to [`Ghost::y`](super::Ghost::y).
    pub(crate) output: (usize, usize),
    /// For a band of the module's output.
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for the band of [`Then`].
pub(crate) fn then_scratch_len(
    (height, width): (usize, usize),
    window: usize,
    padding: usize,
    columns: usize,
) -> usize {
    band::scratch_len(height, window, (width + 2 * padding) * columns)
}

impl Then {
    /// The module's rows and the kernel's that row `oy` needs.
    #[inline(always)]
    pub(super) fn under(&self, oy: usize, height: usize) -> (Range<usize>, (usize, usize)) {
        rows_under(oy, self.filter.kernel.0, self.filter.stride, self.padding.0, height)
    }

    /// Computes row `oy` of `y` from the module's output.
    ///
    /// # Safety
    /// The band must hold the rows that it needs.
    #[inline(always)]
    pub(super) unsafe fn row<I: Isa>(
        &self,
        isa: I,
        band: &Band,
        oy: usize,
        height: usize,
        channels: usize,
        y: *mut f32,
    ) {
        let (rows, taps) = self.under(oy, height);
        let y = y.wrapping_add(oy * self.output.1 * channels);
        let row = Row {
            filter: self.filter,
            x: band.under(rows.start, 1),
            ld: band.ld,
            taps,
            vectors: (0, band.ld / I::LANES),
            width: self.output.1,
            activation: Activation::Identity,
            target: Plain { y, ld: channels, channels },
            below: None,
        };
        isa.run(row);
    }
}
