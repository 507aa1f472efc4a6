//! The highest values of a map, kept cell by cell.

use crate::isa::{Isa, Op};
use crate::kernels::Above;
use crate::plan::{Kept, Selection};

/// Lists of what is kept of some cells, each with room for all of its channels.
#[derive(Clone, Copy)]
pub(crate) struct Cells {
    pub(crate) selection: Selection,
    pub(crate) channels: usize,
    /// How many values of each cell are in its list.
    pub(crate) counts: *mut u32,
    pub(crate) kept: *mut Kept,
    /// Room for [`window`] values for each part of each picture.
    pub(crate) highest: *mut f32,
    /// How many parts there may be.
    pub(crate) parts: usize,
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

    /// The floor for a part of a picture.
    pub(crate) fn floor(self, picture: usize, part: usize) -> Floor {
        let Selection { above, most } = self.selection;
        let window = window(self.selection);
        let highest = self.highest.wrapping_add((picture * self.parts + part) * window);
        Floor { above, most, highest, window, seen: 0 }
    }
}

/// Values that a part looks back on: enough for its floor to rise with every few that it keeps.
/// None where so many are wanted that all above the floor may as well be kept.
pub(crate) fn window(selection: Selection) -> usize {
    const LARGEST: usize = 1 << 14;
    if selection.most > LARGEST { 0 } else { 4 * selection.most.max(1) }
}

/// What values must be above: it rises with the values that are kept, so that what is below the
/// `most` highest of a part, which can't be among those of all parts, is passed over like the rest.
pub(crate) struct Floor {
    above: f32,
    most: usize,
    /// The values that were kept since it rose, behind the `most` highest of those before.
    highest: *mut f32,
    window: usize,
    seen: usize,
}

impl Floor {
    /// # Safety
    /// The window must be this part's own.
    #[inline(always)]
    unsafe fn add(&mut self, value: f32) {
        if self.window > 0 {
            // SAFETY: less than a window has been seen.
            unsafe { self.highest.add(self.seen).write(value) };
            self.seen += 1;
            if self.seen == self.window {
                // SAFETY: all of it has been written.
                unsafe { self.rise() };
            }
        }
    }

    /// # Safety
    /// The window must be full.
    #[cold]
    unsafe fn rise(&mut self) {
        // SAFETY: as the caller's.
        let values = unsafe { std::slice::from_raw_parts_mut(self.highest, self.window) };
        let last = self.most.max(1) - 1;
        let (_, least, _) = values.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        // Its equals may still be wanted.
        self.above = least.next_down();
        self.seen = self.most;
    }
}

/// Adds what is above the floor of neighbouring channels to the lists of their cells.
pub(crate) struct Keep<'a> {
    /// `[cells, columns]`.
    pub(crate) x: *const f32,
    /// Distance from one cell to the next.
    pub(crate) ld: usize,
    pub(crate) columns: usize,
    /// The channel of the first column.
    pub(crate) channel: usize,
    pub(crate) count: usize,
    pub(crate) cells: Cells,
    pub(crate) floor: &'a mut Floor,
}

impl Op for Keep<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Cells { channels, counts, kept, .. } = self.cells;
        for cell in 0..self.count {
            // SAFETY: the plan has checked that map and lists have these cells and columns, and
            // each value of a cell comes once.
            unsafe {
                let values = std::slice::from_raw_parts(self.x.add(cell * self.ld), self.columns);
                let (count, list) = (counts.add(cell), kept.add(cell * channels));
                let floor = self.floor.above;
                let found = |column: usize| {
                    let (channel, value) = ((self.channel + column) as u32, values[column]);
                    list.add(*count as usize).write(Kept { channel, value });
                    *count += 1;
                    self.floor.add(value);
                };
                Above { values, floor, found }.eval(isa);
            }
        }
    }
}
