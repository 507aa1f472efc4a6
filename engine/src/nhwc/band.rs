//! A band: some rows of a map with zeros left and right of them.
//!
//! Rows are filled from the top as far as the band's memory reaches; when a kernel has used some,
//! the next ones take their place, and a [`Row`](super::depthwise::Row) goes on at the top behind
//! the last. Who needs the rows under a kernel one behind the other has them moved up instead.
//! Outputs then need no case for the borders but the first and last rows, which have fewer rows
//! under the kernel.

use std::ops::Range;

/// A window of consecutive rows in working memory.
#[derive(Clone, Copy)]
pub(crate) struct Band {
    data: *mut f32,
    /// Elements of a pixel.
    pub(crate) ld: usize,
    /// Pixels of a row, without padding.
    width: usize,
    /// Zero pixels on each side.
    padding: usize,
    /// Rows that fit.
    capacity: usize,
    /// Where the first of the rows lies.
    top: usize,
    /// The first of the map's rows that are here.
    first: usize,
    /// One past the map's last row that is here.
    end: usize,
}

/// Where the rows under a kernel are.
#[derive(Clone, Copy)]
pub(crate) struct Under {
    /// The start of the first one: its left padding.
    pub(crate) first: *const f32,
    /// From one to the next.
    pub(crate) row_len: usize,
    /// After so many of them they go on `back` elements before.
    pub(crate) turn: usize,
    pub(crate) back: usize,
}

impl Under {
    /// Rows that lie one behind the other.
    pub(crate) fn straight(first: *const f32, row_len: usize) -> Self {
        Self { first, row_len, turn: usize::MAX, back: 0 }
    }

    /// The same rows from some elements farther on.
    pub(crate) fn from(self, elements: usize) -> Self {
        Self { first: self.first.wrapping_add(elements), ..self }
    }
}

/// Elements that the rows of a band should take: half of a small second-level cache.
const TARGET_LEN: usize = 24 << 10;

/// How many rows a band for `rows` rows has, of which a kernel sees `window` at once.
pub(crate) fn capacity(rows: usize, window: usize, row_len: usize) -> usize {
    rows.min((TARGET_LEN / row_len.max(1)).max(2 * window))
}

/// Elements that bands for `rows` rows need whose rows have at most `row_len` elements: narrower
/// ones have more rows, and may take more than the widest.
pub(crate) fn scratch_len(rows: usize, window: usize, row_len: usize) -> usize {
    rows.saturating_mul(row_len).min(TARGET_LEN.max(2 * window * row_len))
}

impl Band {
    /// An empty band whose first row will be the map's row `first`.
    ///
    /// # Safety
    /// `data` must be writable for `capacity` rows of `width + 2 · padding` pixels of `ld`.
    pub(crate) unsafe fn new(
        data: *mut f32,
        ld: usize,
        (width, padding): (usize, usize),
        capacity: usize,
        first: usize,
    ) -> Self {
        let band = Self { data, ld, width, padding, capacity, top: 0, first, end: first };
        // SAFETY: as the caller's.
        unsafe { band.pad(0..capacity) };
        band
    }

    /// Writes the zeros of some places for rows.
    ///
    /// # Safety
    /// As [`Band::new`]; nobody else may write to these.
    unsafe fn pad(&self, slots: Range<usize>) {
        let Self { data, ld, width, padding, .. } = *self;
        for slot in slots {
            let start = slot * self.row_len();
            // SAFETY: both ends are inside the row, which the caller vouches for.
            unsafe {
                data.add(start).write_bytes(0, padding * ld);
                data.add(start + (padding + width) * ld).write_bytes(0, padding * ld);
            }
        }
    }

    /// The rows `rows` of a band that has all `height` rows of the map, to be filled.
    ///
    /// # Safety
    /// As [`Band::new`], for `height` rows of which nobody else writes to these.
    pub(crate) unsafe fn part(
        data: *mut f32,
        ld: usize,
        (width, padding): (usize, usize),
        height: usize,
        rows: Range<usize>,
    ) -> Self {
        // SAFETY: as the caller's.
        unsafe {
            let band = Self::filled(data, ld, (width, padding), height);
            band.pad(rows.clone());
            Self { end: rows.start, ..band }
        }
    }

    /// A band that has all `height` rows of the map, which others have filled.
    ///
    /// # Safety
    /// As [`Band::new`]; nobody may write to it meanwhile.
    pub(crate) unsafe fn filled(
        data: *mut f32,
        ld: usize,
        (width, padding): (usize, usize),
        height: usize,
    ) -> Self {
        Self { data, ld, width, padding, capacity: height, top: 0, first: 0, end: height }
    }

    pub(crate) fn row_len(&self) -> usize {
        (self.width + 2 * self.padding) * self.ld
    }

    /// Pixels of a row, without padding.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How many rows can be filled before others are dropped.
    pub(crate) fn free(&self) -> usize {
        self.capacity - (self.end - self.first)
    }

    /// One past the last row that was filled.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Elements between the last pixel of a row and the first of the next, beyond the stride.
    pub(crate) fn gap(&self) -> usize {
        2 * self.padding * self.ld
    }

    /// Makes room: drops the rows before `needed` and returns how many rows can be filled at once.
    pub(crate) fn room_after(&mut self, needed: usize) -> usize {
        let drop = needed.clamp(self.first, self.end) - self.first;
        self.top = self.slot(self.first + drop);
        self.first += drop;
        let room = self.capacity - (self.end - self.first);
        room.min(self.capacity - self.slot(self.end))
    }

    /// As [`Band::room_after`], and moves the rows that stay to the top: rows of a band of which
    /// only this is asked lie one behind the other.
    pub(crate) fn straight_room_after(&mut self, needed: usize) -> usize {
        debug_assert!(self.top == 0);
        let drop = needed.clamp(self.first, self.end) - self.first;
        let held = self.end - self.first - drop;
        if drop > 0 {
            let len = self.row_len();
            // SAFETY: both ranges are rows that the band holds.
            unsafe { self.data.copy_from(self.data.add(drop * len), held * len) };
            self.first += drop;
        }
        self.capacity - held
    }

    /// Where the map's row `row`, at most one past the last that fits, is or will be.
    fn slot(&self, row: usize) -> usize {
        let slot = self.top + row - self.first;
        if slot < self.capacity { slot } else { slot - self.capacity }
    }

    /// The first pixel behind the filled rows; the caller fills `rows` rows from there.
    pub(crate) fn grow(&mut self, rows: usize) -> *mut f32 {
        debug_assert!(self.end - self.first + rows <= self.capacity);
        let slot = self.slot(self.end);
        debug_assert!(slot + rows <= self.capacity);
        let start = slot * self.row_len() + self.padding * self.ld;
        self.end += rows;
        self.data.wrapping_add(start)
    }

    /// The start of the map's row `row`: its left padding.
    pub(crate) fn row(&self, row: usize) -> *const f32 {
        debug_assert!((self.first..self.end).contains(&row));
        self.data.wrapping_add(self.slot(row) * self.row_len())
    }

    /// The map's row `row` and those that follow, every `apart`-th of them.
    pub(crate) fn under(&self, row: usize, apart: usize) -> Under {
        let row_len = self.row_len();
        Under {
            first: self.row(row),
            row_len: apart * row_len,
            turn: (self.capacity - self.slot(row)).div_ceil(apart),
            back: self.capacity * row_len,
        }
    }

    /// The first pixel of the map's row `row`, behind the padding.
    pub(crate) fn pixel(&self, row: usize) -> *const f32 {
        self.row(row).wrapping_add(self.padding * self.ld)
    }
}
