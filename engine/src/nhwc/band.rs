//! A band: some rows of a map with zeros left and right of them.
//!
//! Rows are filled from the top as far as the band's memory reaches; when a kernel has used the
//! upper ones, those that it still needs move up. Outputs then need no case for the borders but
//! the first and last rows, which have fewer rows under the kernel.

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
    /// The map's row that is at the top.
    first: usize,
    /// One past the map's last row that is here.
    end: usize,
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
        let band = Self { data, ld, width, padding, capacity, first, end: first };
        for row in 0..capacity {
            let start = row * band.row_len();
            // SAFETY: both ends are inside the row, which the caller vouches for.
            unsafe {
                data.add(start).write_bytes(0, padding * ld);
                data.add(start + (padding + width) * ld).write_bytes(0, padding * ld);
            }
        }
        band
    }

    pub(crate) fn row_len(&self) -> usize {
        (self.width + 2 * self.padding) * self.ld
    }

    /// Whether no row can be filled before others are dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.end - self.first == self.capacity
    }

    /// One past the last row that was filled.
    pub(crate) fn end(&self) -> usize {
        self.end
    }

    /// Elements between the last pixel of a row and the first of the next, beyond the stride.
    pub(crate) fn gap(&self) -> usize {
        2 * self.padding * self.ld
    }

    /// Makes room: drops the rows before `needed` and returns how many rows can be filled.
    pub(crate) fn room_after(&mut self, needed: usize) -> usize {
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

    /// The first pixel behind the filled rows; the caller fills `rows` rows from there.
    pub(crate) fn grow(&mut self, rows: usize) -> *mut f32 {
        debug_assert!(self.end - self.first + rows <= self.capacity);
        let start = (self.end - self.first) * self.row_len() + self.padding * self.ld;
        self.end += rows;
        self.data.wrapping_add(start)
    }

    /// The start of the map's row `row`: its left padding.
    pub(crate) fn row(&self, row: usize) -> *const f32 {
        debug_assert!((self.first..self.end).contains(&row));
        self.data.wrapping_add((row - self.first) * self.row_len())
    }

    /// The first pixel of the map's row `row`, behind the padding.
    pub(crate) fn pixel(&self, row: usize) -> *const f32 {
        self.row(row).wrapping_add(self.padding * self.ld)
    }
}
