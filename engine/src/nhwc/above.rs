//! Values of a map that are above a floor, kept cell by cell.

use crate::isa::{Isa, Op};
use crate::kernels::Above;
use crate::plan::Kept;

/// Lists of what is kept of some cells, each with room for all of its channels.
#[derive(Clone, Copy)]
pub(crate) struct Cells {
    pub(crate) floor: f32,
    pub(crate) channels: usize,
    /// How many values of each cell are in its list.
    pub(crate) counts: *mut u32,
    pub(crate) kept: *mut Kept,
}

impl Cells {
    /// The cells from number `cell` on.
    #[inline(always)]
    pub(crate) fn from(self, cell: usize) -> Self {
        Self {
            counts: self.counts.wrapping_add(cell),
            kept: self.kept.wrapping_add(cell * self.channels),
            ..self
        }
    }

    /// Empties the lists of the first `count` cells.
    ///
    /// # Safety
    /// There must be so many, of which nobody else knows.
    #[inline(always)]
    pub(crate) unsafe fn clear(self, count: usize) {
        // SAFETY: as the caller's.
        unsafe { self.counts.write_bytes(0, count) };
    }
}

/// Adds what is above the floor of neighbouring channels to the lists of their cells.
pub(crate) struct Keep {
    /// `[cells, columns]`.
    pub(crate) x: *const f32,
    /// Distance from one cell to the next.
    pub(crate) ld: usize,
    pub(crate) columns: usize,
    /// The channel of the first column.
    pub(crate) channel: usize,
    pub(crate) count: usize,
    pub(crate) cells: Cells,
}

impl Op for Keep {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Cells { floor, channels, counts, kept } = self.cells;
        for cell in 0..self.count {
            // SAFETY: the plan has checked that map and lists have these cells and columns, and
            // each value of a cell comes once.
            unsafe {
                let values = std::slice::from_raw_parts(self.x.add(cell * self.ld), self.columns);
                let (count, list) = (counts.add(cell), kept.add(cell * channels));
                let found = |column: usize| {
                    let channel = (self.channel + column) as u32;
                    list.add(*count as usize).write(Kept { channel, value: values[column] });
                    *count += 1;
                };
                Above { values, floor, found }.eval(isa);
            }
        }
    }
}
