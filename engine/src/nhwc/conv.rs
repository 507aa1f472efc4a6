//! Dense convolution of any kernel: the matrix product of [`super::gemm`] over a [`Band`], where a
//! table of offsets takes the place of an im2col copy.

use std::ops::Range;

use super::band::{self, Band};
use super::depthwise::dilated_rows_under;
use super::gemm::{Gather, Gemm, Panel, Pixels, Target};
use crate::isa::{Isa, Op};

/// The map that is convolved.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// One plane for each channel, as callers give pictures.
    Planes(*const f32),
    /// Channels innermost, as plans hold maps.
    Pixels(*const f32),
}

impl Source {
    /// Planes, and elements from a pixel to the next: how a map of `channels` channels lies here,
    /// and in the band. Nothing is transposed: the table of offsets finds factors in any order.
    fn layout(self, channels: usize) -> (usize, usize) {
        match self {
            Self::Planes(_) => (channels, 1),
            Self::Pixels(_) => (1, channels),
        }
    }

    /// For each factor of a sum, in the order (kernel row, kernel column, channel), where it lies
    /// from the left padding of the first row under the kernel.
    pub(crate) fn offsets(
        self,
        kernel: (usize, usize),
        channels: usize,
        (width, padding): (usize, usize),
        dilation: usize,
    ) -> Vec<u32> {
        let (planes, ld) = self.layout(channels);
        let row_len = (width + 2 * padding) * ld;
        let tap = |tap: usize| {
            let (ky, kx) = (tap / kernel.1 * dilation, tap % kernel.1 * dilation);
            let channel = move |c: usize| (ky * planes + c / ld) * row_len + kx * ld + c % ld;
            (0..channels).map(move |c| channel(c) as u32)
        };
        (0..kernel.0 * kernel.1).flat_map(tap).collect()
    }
}

/// Some rows and panels of a convolution.
pub(crate) struct Conv<'a> {
    pub(crate) x: Source,
    pub(crate) channels: usize,
    /// Height and width of the input.
    pub(crate) input: (usize, usize),
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: usize,
    pub(crate) padding: (usize, usize),
    /// Distance of the kernel's taps.
    pub(crate) dilation: usize,
    /// [`Source::offsets`] of this geometry.
    pub(crate) offsets: &'a [u32],
    /// Neighbouring panels and the first column of each.
    pub(crate) panels: &'a [(usize, Panel)],
    /// The whole output map.
    pub(crate) y: Target,
    pub(crate) rows: Range<usize>,
    pub(crate) scratch: *mut f32,
}

/// Elements of scratch for any part of the output.
pub(crate) fn scratch_len(height: usize, row_len: usize, window: usize) -> usize {
    band::scratch_len(height, window, row_len)
}

impl Op for Conv<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (height, width) = self.input;
        let (planes, ld) = self.x.layout(self.channels);
        let kh = self.kernel.0;
        let taps = (kh, self.dilation);
        let under = |oy: usize| dilated_rows_under(oy, taps, self.stride, self.padding.0, height);
        let row_len = (width + 2 * self.padding.1) * self.channels;
        let capacity =
            band::capacity(height, ((kh - 1) * self.dilation + 1).max(self.stride), row_len);
        let last_row = under(self.rows.end - 1).0.end;
        let mut oy = self.rows.start;
        // SAFETY: the scratch has `scratch_len`, the maps have their sizes, and every row that is
        // read has been filled.
        unsafe {
            // A row of the band is a row of a plane: a row of the map is as many as there are planes.
            let band_size = (width, self.padding.1);
            let (rows, first) = (capacity * planes, under(oy).0.start * planes);
            let mut band = Band::new(self.scratch, ld, band_size, rows, first);
            while oy < self.rows.end {
                let room = band.straight_room_after(under(oy).0.start * planes);
                let filled = (band.end() + room).min(last_row * planes);
                while band.end() < filled {
                    let row = band.end();
                    self.fill((row / planes, row % planes), band.grow(1));
                }
                // Rows for which the band is full enough: a panel stays in the caches for all.
                let mut next = oy;
                while next < self.rows.end && under(next).0.end * planes <= band.end() {
                    next += 1;
                }
                for &(column, panel) in self.panels {
                    for oy in oy..next {
                        let (rows, taps) = under(oy);
                        self.row(isa, (column, panel), oy, band.row(rows.start * planes), taps);
                    }
                }
                oy = next;
            }
        }
    }
}

impl Conv<'_> {
    /// One row of the output, in the columns of one panel; `top` is the first row of the map that
    /// the kernel covers, and `first_tap` to `last_tap` are the kernel's rows that lie on the map.
    ///
    /// # Safety
    /// The output must have this row and these columns, and the band the rows under the kernel.
    #[inline(always)]
    unsafe fn row<I: Isa>(
        &self,
        isa: I,
        (column, panel): (usize, Panel),
        oy: usize,
        top: *const f32,
        (first_tap, last_tap): (usize, usize),
    ) {
        let factors = self.kernel.1 * self.channels;
        // Rows of the kernel that hang over the map are left out of the sum: the order of the
        // factors puts them first or last.
        let (skipped, k) = (first_tap * factors, (last_tap - first_tap) * factors);
        let row_len = (self.input.1 + 2 * self.padding.1) * self.channels;
        let above = self.padding.0.saturating_sub(oy * self.stride);
        let a = Pixels {
            data: top.wrapping_sub(above * row_len),
            ld: self.stride * self.x.layout(self.channels).1,
            count: self.y.width,
        };
        let start = oy * self.y.width;
        // SAFETY: the caller vouches for the output and for what is read.
        unsafe {
            let add = if self.y.add.is_null() {
                self.y.add
            } else {
                self.y.add.add(start * self.y.add_ld + column)
            };
            let data = self.y.data.add(start * self.y.ld + column);
            let (panel, c) = (panel.part(skipped, k, I::LANES), Target { data, add, ..self.y });
            let offsets = self.offsets.as_ptr().add(skipped);
            match a.ld {
                // Planes at stride 2, as of pictures.
                2 => isa.run(Gemm { a, panel, c, addressing: Gather::<2>(offsets) }),
                _ => isa.run(Gemm { a, panel, c, addressing: Gather::<0>(offsets) }),
            }
        }
    }

    /// Copies row `row` of a plane to `to`.
    ///
    /// # Safety
    /// The map must have that row, and `to` room for it.
    #[inline(always)]
    unsafe fn fill(&self, (row, plane): (usize, usize), to: *mut f32) {
        let (height, width) = self.input;
        let (Source::Planes(x) | Source::Pixels(x)) = self.x;
        let row_len = width * self.x.layout(self.channels).1;
        // SAFETY: the caller vouches for both.
        unsafe {
            to.copy_from_nonoverlapping(x.add((plane * height + row) * row_len), row_len);
        }
    }
}
