//! A pointwise convolution of which only the highest results are kept: the others never leave the
//! nearest cache.

use std::ops::Range;

use super::{Activation, Dense, Gemm, Panel, Pixels, Target, panel_vectors};
use crate::isa::{Isa, Op};
use crate::nhwc::above::{Cells, Floor, Keep};

/// A pointwise convolution of some pixels to lists of what is above a floor.
pub(crate) struct AboveGemm<'a> {
    /// `[pixels, k]`.
    pub(crate) x: *const f32,
    /// Those that are computed.
    pub(crate) pixels: Range<usize>,
    /// Pixels that go through together.
    pub(crate) block: usize,
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) activation: Activation,
    /// Of all pixels.
    pub(crate) cells: Cells,
    pub(crate) floor: Floor,
    /// Room for [`above_scratch_len`].
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for so many pixels at a time.
pub(crate) fn above_scratch_len(block: usize, lanes: usize, registers: usize) -> usize {
    block * panel_vectors(registers) * lanes
}

impl Op for AboveGemm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let mut first = self.pixels.start;
        while first < self.pixels.end {
            let count = self.block.min(self.pixels.end - first);
            let cells = self.cells.from(first);
            // SAFETY: the plan has checked that there are these cells, which are this task's own.
            unsafe { cells.clear(count) };
            for &(channel, mut panel) in self.panels {
                let ld = panel.vectors * I::LANES;
                let columns = ld - I::LANES + panel.tail;
                panel.tail = I::LANES; // the scratch has room for whole vectors
                let data = self.x.wrapping_add(first * panel.k);
                let a = Pixels { data, ld: panel.k, count };
                let c = Target::dense(self.scratch, ld, usize::MAX, self.activation);
                isa.run(Gemm { a, panel, c, addressing: Dense });
                let (x, floor) = (self.scratch, &mut self.floor);
                isa.run(Keep { x, ld, columns, channel, count, cells, floor });
            }
            first += count;
        }
    }
}
