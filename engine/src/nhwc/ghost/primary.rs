//! The primary features of a ghost module: a pointwise convolution to a band.

use std::ops::Range;

use crate::isa::{Isa, Op};
use crate::nhwc::activation::Activation;
use crate::nhwc::band::Band;
use crate::nhwc::gemm::{Dense, Gemm, Panel, Pixels, Target};

/// Primary features of some rows, in a band that is as high as the map.
pub(crate) struct Primary<'a> {
    pub(crate) x: *const f32,
    pub(crate) size: (usize, usize),
    /// Input channels.
    pub(crate) input: usize,
    /// Neighbouring panels, and the first column of each.
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) activation: Activation,
    pub(crate) rows: Range<usize>,
    /// Zeros on each side.
    pub(crate) padding: usize,
    /// Columns of all panels, in whole vectors.
    pub(crate) ld: usize,
    pub(crate) band: *mut f32,
}

/// Elements of a band that is as high as the map.
pub(crate) fn whole_band_len((height, width): (usize, usize), reach: usize, ld: usize) -> usize {
    height * (width + reach - 1) * ld
}

impl Op for Primary<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { rows, padding, ld, .. } = self;
        let (height, width) = self.size;
        let size = (width, padding);
        // SAFETY: the band has `whole_band_len`, and its rows `rows` are this task's own.
        let mut band = unsafe { Band::part(self.band, ld, size, height, rows.clone()) };
        let x = self.x.wrapping_add(rows.start * width * self.input);
        let what = (self.panels, 0, self.activation);
        // SAFETY: the map has these rows.
        unsafe { features(isa, (x, self.input, rows.len() * width), what, &mut band, rows.len()) };
    }
}

/// Fills the next `rows` rows of a band: with `count` pixels of `input` channels, times neighbouring
/// panels, of which the band's pixels begin at `column`.
///
/// # Safety
/// The band must have room, there must be so many pixels.
#[inline(always)]
pub(super) unsafe fn features<I: Isa>(
    isa: I,
    (data, input, count): (*const f32, usize, usize),
    (panels, column, activation): (&[(usize, Panel)], usize, Activation),
    band: &mut Band,
    rows: usize,
) {
    let a = Pixels { data, ld: input, count };
    let to = band.grow(rows);
    for &(panel_column, mut panel) in panels {
        panel.tail = I::LANES; // the band has room for whole vectors
        let to = to.wrapping_add(panel_column - column);
        let c = Target { gap: band.gap(), ..Target::dense(to, band.ld, band.width(), activation) };
        isa.run(Gemm { a, panel, c, addressing: Dense });
    }
}
