//! The ghost module: a pointwise convolution, a cheap depthwise one on its outputs, and both
//! joined, gated or added to the shortcut.
//!
//! # Source
//! GhostNet (arXiv 1911.11907), section 3.1; the gate is GhostNetV2's (arXiv 2211.12905, eq. 5).
//!
//! The primary features go to a [`Band`] and are read there while they are in the cache; what is
//! stored is final. A task computes some rows of all panels, or all rows of some panels, or finds
//! them in a band that a step of their own has filled. A large output that only a strided depthwise
//! convolution reads passes through a second band.
//!
//! Primary features of half a vector, as the first modules have on AVX-512, lie closely in the
//! band, and the cheap convolution computes two pixels in a vector.

mod primary;
mod then;

use std::ops::Range;

use super::activation::Activation;
use super::band::{self, Band};
use super::depthwise::{Filter, Joined, Merge, Pairs, Row, dilated_rows_under, together};
use super::gemm::{Panel, Weights};
use crate::isa::{Isa, MAX_LANES, Op};
use primary::features;
pub(crate) use primary::{Primary, whole_band_len};
pub(crate) use then::{Then, then_scratch_len};

/// The shortcut or the gate of a ghost module.
#[derive(Clone, Copy)]
pub(crate) enum Join {
    None,
    /// A map of the output's shape.
    Add(*const f32),
    /// A map of the output's channels in another resolution: where the row for each of the
    /// output's rows begins, and in it the pixel for each of the output's columns.
    Gate {
        gate: *const f32,
        rows: *const u32,
        columns: *const u32,
    },
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
    /// Distance of the cheap kernel's taps.
    pub(crate) dilation: usize,
    pub(crate) activation: Activation,
    pub(crate) join: Join,
    /// Needs all panels.
    pub(crate) then: Option<Then>,
    /// Rows of what goes to `y`.
    pub(crate) rows: Range<usize>,
    /// Whether the band is as high as the map, and [`Primary`] has filled it.
    pub(crate) filled: bool,
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for bands of at most `columns` columns; the cheap kernel reaches over
/// `reach` rows and columns. The last pair of pixels in a band may reach one pixel farther.
pub(crate) fn scratch_len((height, width): (usize, usize), reach: usize, columns: usize) -> usize {
    band::scratch_len(height, reach, (width + reach - 1) * columns) + MAX_LANES
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
        let ld = if self.in_pairs::<I>() {
            I::LANES / 2
        } else {
            last_column - column + last.vectors * I::LANES
        };
        let (height, width) = self.size;
        let padding = self.padding();
        let row_len = (width + 2 * padding) * ld;
        let capacity = band::capacity(height, 2 * padding + 1, row_len);
        let channels = self.channels.2;
        let first = self.needed(self.rows.start).start;
        let needed = first..self.needed(self.rows.end - 1).end;
        let top = self.under(first).start;
        // SAFETY: the scratch has `scratch_len`, the maps have their sizes, and every row that is
        // read has been filled.
        unsafe {
            let mut band = match self.filled {
                true => Band::filled(self.scratch, ld, (width, padding), height),
                false => Band::new(self.scratch, ld, (width, padding), capacity, top),
            };
            let Some(then) = self.then else {
                let mut next = needed.start;
                while next < needed.end {
                    let rows = self.together::<I>(next..needed.end);
                    self.fill(isa, &mut band, &rows, needed.end);
                    let y = |oy: usize| self.y.wrapping_add(oy * width * channels);
                    self.rows(isa, &band, &rows, (&y, channels));
                    next = rows.end;
                }
                return;
            };
            let wide = channels.next_multiple_of(I::LANES);
            let window = then.filter.kernel.0.max(then.filter.stride);
            let capacity = band::capacity(height, window, (width + 2 * then.padding.1) * wide);
            let size = (width, then.padding.1);
            let mut whole = Band::new(then.scratch, wide, size, capacity, first);
            let mut out = self.rows.start;
            let mut next = needed.start;
            while next < needed.end {
                let rows = self.together::<I>(next..needed.end);
                self.fill(isa, &mut band, &rows, needed.end);
                if whole.free() < rows.len() {
                    whole.room_after(self.needed(out).start);
                }
                for _ in rows.clone() {
                    whole.grow(1);
                }
                let y = |oy: usize| whole.pixel(oy).cast_mut();
                self.rows(isa, &band, &rows, (&y, wide));
                next = rows.end;
                while out < self.rows.end && self.needed(out).end <= whole.end() {
                    then.row(isa, &whole, out, height, channels, self.y);
                    out += 1;
                }
            }
        }
    }
}

impl Ghost<'_> {
    /// The module's rows that row `oy` of `y` needs.
    #[inline(always)]
    fn needed(&self, oy: usize) -> Range<usize> {
        match &self.then {
            None => oy..oy + 1,
            Some(then) => then.under(oy, self.size.0).0,
        }
    }

    /// Whether two pixels fit into a vector: primary features of half a vector, and as many cheap
    /// ones, whose padding takes what the last pixel of a row, stored as a whole vector, has too
    /// many: zeros, as long as the activation keeps them.
    #[inline(always)]
    fn in_pairs<I: Isa>(&self) -> bool {
        let (_, primary, channels) = self.channels;
        let halves = 2 * primary == I::LANES && channels == I::LANES;
        let keeps_zeros = matches!(self.activation, Activation::Identity | Activation::Relu);
        let joins = matches!(self.join, Join::None | Join::Add(_));
        let [(_, panel)] = self.panels else { return false };
        let floats = matches!(panel.weights, Weights::F32(_) | Weights::Bf16(_));
        halves && keeps_zeros && joins && floats && self.dilation == 1 && self.padding() > 0
    }

    /// Zeros on each side of the primary features.
    #[inline(always)]
    fn padding(&self) -> usize {
        self.cheap.kernel.0 / 2 * self.dilation
    }

    /// The primary rows that the module's row `oy` needs.
    #[inline(always)]
    fn under(&self, oy: usize) -> Range<usize> {
        let taps = (self.cheap.kernel.0, self.dilation);
        dilated_rows_under(oy, taps, 1, self.padding(), self.size.0).0
    }

    /// The first of some of the module's rows, or the first two where they go together.
    #[inline(always)]
    fn together<I: Isa>(&self, rows: Range<usize>) -> Range<usize> {
        if self.in_pairs::<I>() {
            return rows.start..rows.start + 1;
        }
        let taps = (self.cheap.kernel, self.dilation);
        together::<I>(rows, taps, 1, self.padding(), self.size.0)
    }

    /// Makes sure that the primary rows for `rows` of the module are in the band, and as many of
    /// those for the rows before `end` as there is room for.
    ///
    /// # Safety
    /// The map and the band must have the module's sizes.
    #[inline(always)]
    unsafe fn fill<I: Isa>(&self, isa: I, band: &mut Band, rows: &Range<usize>, end: usize) {
        let (width, input) = (self.size.1, self.channels.0);
        let column = self.panels.first().map_or(0, |(column, _)| *column);
        while self.under(rows.end - 1).end > band.end() {
            let room = band.room_after(self.under(rows.start).start);
            let fill = room.min(self.under(end - 1).end - band.end());
            let x = self.x.wrapping_add(band.end() * width * input);
            let what = (self.panels, column, self.activation);
            // SAFETY: there is room for these rows, and the map has them.
            unsafe { features(isa, (x, input, fill * width), what, band, fill) };
        }
    }

    /// Computes one or two of the module's rows, each to where `y` says, with pixels `y_ld` apart.
    ///
    /// # Safety
    /// The band must hold the rows that they need, `y` must have room.
    #[inline(always)]
    unsafe fn rows<I: Isa>(
        &self,
        isa: I,
        band: &Band,
        rows: &Range<usize>,
        (y, y_ld): (&impl Fn(usize) -> *mut f32, usize),
    ) {
        let oy = rows.start;
        let (height, width) = self.size;
        let (_, primary, channels) = self.channels;
        let (kernel, apart, padding) = (self.cheap.kernel.0, self.dilation, self.padding());
        let column = self.panels.first().map_or(0, |(column, _)| *column);
        let first = column / I::LANES;
        let (_, taps) = dilated_rows_under(oy, (kernel, apart), 1, padding, height);
        let top = oy + taps.0 * apart - padding;
        if self.in_pairs::<I>() {
            let add = match self.join {
                Join::Add(add) => add.wrapping_add(oy * width * channels),
                _ => std::ptr::null(),
            };
            isa.run(Row {
                // From a pair to the next are two pixels.
                filter: Filter { stride: 2, ..self.cheap },
                x: band.under(top, 1),
                ld: band.ld,
                taps,
                vectors: (0, 1),
                width: width.div_ceil(2),
                activation: self.activation,
                target: Pairs { y: y(oy), ld: y_ld, width, from: band.pixel(oy), add },
                below: None,
            });
            return;
        }
        // SAFETY: as the caller's; gate tables have an entry for each row and column.
        let merge = |oy: usize| unsafe {
            match self.join {
                Join::None => Merge::None,
                Join::Add(add) => Merge::Add { add: add.add(oy * width * channels), ld: channels },
                Join::Gate { gate, rows, columns } => {
                    Merge::Gate { gate: gate.add(*rows.add(oy) as usize), columns, step: 1 }
                }
            }
        };
        // With taps apart, every so many outputs are a row of neighbours by themselves.
        for start in 0..apart.min(width) {
            let target = |oy: usize| Joined {
                y: y(oy).wrapping_add(start * y_ld),
                ld: apart * y_ld,
                channels,
                primary,
                from: band.pixel(oy).wrapping_add(start * band.ld),
                merge: merge(oy).every(apart, start),
            };
            isa.run(Row {
                filter: self.cheap,
                x: band.under(top, apart).from(start * band.ld),
                ld: apart * band.ld,
                taps,
                vectors: (first, first + band.ld / I::LANES),
                width: (width - start).div_ceil(apart),
                activation: self.activation,
                target: target(oy),
                below: (rows.len() > 1).then(|| target(oy + 1)),
            });
        }
    }
}
