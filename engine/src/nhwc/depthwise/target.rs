//! Where a row of outputs goes: to a map as it is, or joined with the features it came from.

use crate::isa::Isa;
use crate::nhwc::{load_lanes, store_lanes};

/// The second operand of a ghost module's output.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// Nothing.
    None,
    /// `y + add`: the shortcut, at the row's first pixel.
    Add { add: *const f32, ld: usize },
    /// `y · gate`: a gate of lower resolution; every `step`-th of `columns` tells where its pixel
    /// for each of `y` is.
    Gate { gate: *const f32, columns: *const u32, step: usize },
}

impl Merge {
    /// That of every `step`-th output of a row, from `first` on.
    #[inline(always)]
    pub(crate) fn every(self, step: usize, first: usize) -> Self {
        match self {
            Self::None => Self::None,
            Self::Add { add, ld } => Self::Add { add: add.wrapping_add(first * ld), ld: step * ld },
            Self::Gate { gate, columns, step: apart } => {
                let columns = columns.wrapping_add(first * apart);
                Self::Gate { gate, columns, step: step * apart }
            }
        }
    }
}

/// Where a row of outputs goes.
pub(crate) trait RowTarget: Copy {
    /// Whether strided kernels write there: code for others is left out.
    const STRIDED: bool;

    /// Stores outputs `first ..` of one vector of channels, which is at `channel` in the band.
    ///
    /// # Safety
    /// The target must have these pixels and channels.
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        place: (usize, usize),
        band_ld: usize,
        first: usize,
    );
}

/// `y`: the row's first pixel, of `channels` channels.
#[derive(Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    pub(crate) channels: usize,
}

/// The primary features, from the band, to `y[..primary]` and the convolution's outputs to
/// `y[primary..channels]`; more of them than fit there are dropped.
#[derive(Clone, Copy)]
pub(crate) struct Joined {
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    pub(crate) channels: usize,
    pub(crate) primary: usize,
    pub(crate) from: *const f32,
    pub(crate) merge: Merge,
}

/// As [`Joined`], of pixels in pairs: primary features of half a vector, which lie one pixel behind
/// the other in the band, and as many cheap ones. An output is a pair of pixels, the lanes of the
/// second behind those of the first, and each pixel of `y` is a whole vector.
#[derive(Clone, Copy)]
pub(crate) struct Pairs {
    pub(crate) y: *mut f32,
    pub(crate) ld: usize,
    /// Pixels of the row; the last pair of an odd number is of one.
    pub(crate) width: usize,
    pub(crate) from: *const f32,
    /// The shortcut at the row's first pixel, of whole vectors, or null.
    pub(crate) add: *const f32,
}

impl Plain {
    /// The row that begins `elements` farther on.
    #[inline(always)]
    pub(super) fn below(self, elements: usize) -> Self {
        Self { y: self.y.wrapping_add(elements), ..self }
    }
}

impl RowTarget for Plain {
    const STRIDED: bool = true;

    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (vector, _): (usize, usize),
        _: usize,
        first: usize,
    ) {
        let c = vector * I::LANES;
        let lanes = I::LANES.min(self.channels - c);
        // SAFETY: the caller vouches for the target; lanes beyond its channels are left out.
        unsafe {
            let y = self.y.add(first * self.ld + c);
            if lanes == I::LANES {
                for (n, sum) in sums.iter().enumerate() {
                    isa.store(y.add(n * self.ld), *sum);
                }
            } else {
                let sums = *sums; // a copy, so that those of whole vectors stay in registers
                for (n, sum) in sums.iter().enumerate() {
                    isa.store_partial(y.add(n * self.ld), *sum, lanes);
                }
            }
        }
    }
}

impl RowTarget for Joined {
    const STRIDED: bool = false;

    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (vector, channel): (usize, usize),
        band_ld: usize,
        first: usize,
    ) {
        let c = vector * I::LANES;
        let lanes = I::LANES.min(self.primary - c);
        let cheap = I::LANES.min((self.channels - self.primary).saturating_sub(c));
        // SAFETY: the caller vouches for the target; lanes beyond its channels are left out.
        unsafe {
            let y = self.y.add(first * self.ld + c);
            let from = self.from.add(first * band_ld + channel);
            if lanes == I::LANES && cheap == I::LANES {
                // Lanes that the compiler knows need no case for a part of a vector.
                self.merge(isa, sums, (y, from), band_ld, (c, first), (I::LANES, I::LANES));
            } else {
                let sums = *sums; // a copy, so that those of whole vectors stay in registers
                self.merge(isa, &sums, (y, from), band_ld, (c, first), (lanes, cheap));
            }
        }
    }
}

impl RowTarget for Pairs {
    const STRIDED: bool = true;

    #[inline(always)]
    unsafe fn store<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        _: (usize, usize),
        band_ld: usize,
        first: usize,
    ) {
        for (n, sum) in sums.iter().enumerate() {
            let pixel = 2 * (first + n);
            // SAFETY: the caller vouches for these pixels, and the band for one more.
            unsafe {
                let pair = isa.halves(isa.load(self.from.add(pixel * band_ld)), *sum);
                self.pixel(isa, pixel, pair.0);
                if pixel + 1 < self.width {
                    self.pixel(isa, pixel + 1, pair.1);
                }
            }
        }
    }
}

impl Pairs {
    /// Adds the shortcut to the features of a pixel and stores them.
    ///
    /// # Safety
    /// The shortcut and `y` must have this pixel.
    #[inline(always)]
    unsafe fn pixel<I: Isa>(&self, isa: I, pixel: usize, mut features: I::F32) {
        // SAFETY: as the caller's.
        unsafe {
            if !self.add.is_null() {
                features = isa.add(features, isa.load(self.add.add(pixel * I::LANES)));
            }
            isa.store(self.y.add(pixel * self.ld), features);
        }
    }
}

impl Joined {
    /// Merges and stores the first `lanes` lanes of the primary and of the cheap features.
    ///
    /// # Safety
    /// As [`RowTarget::store`]; `y` and `from` are at the first output.
    #[inline(always)]
    unsafe fn merge<I: Isa, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (y, from): (*mut f32, *const f32),
        band_ld: usize,
        (c, first): (usize, usize),
        (lanes, cheap): (usize, usize),
    ) {
        let Self { ld, primary, .. } = *self;
        // SAFETY: as the caller's.
        unsafe {
            match self.merge {
                Merge::None => {
                    for (n, sum) in sums.iter().enumerate() {
                        let y = y.add(n * ld);
                        store_lanes(isa, y, isa.load(from.add(n * band_ld)), lanes);
                        store_lanes(isa, y.wrapping_add(primary), *sum, cheap);
                    }
                }
                Merge::Add { add, ld: add_ld } => {
                    let add = add.add(first * add_ld + c);
                    for (n, sum) in sums.iter().enumerate() {
                        let (y, add) = (y.add(n * ld), add.add(n * add_ld));
                        let a = isa.load(from.add(n * band_ld));
                        let a = isa.add(a, load_lanes(isa, add, lanes));
                        let b = load_lanes(isa, add.wrapping_add(primary), cheap);
                        store_lanes(isa, y, a, lanes);
                        store_lanes(isa, y.wrapping_add(primary), isa.add(*sum, b), cheap);
                    }
                }
                Merge::Gate { gate, columns, step } => {
                    let (gate, columns) = (gate.add(c), columns.add(first * step));
                    for (n, sum) in sums.iter().enumerate() {
                        let (y, gate) = (y.add(n * ld), gate.add(*columns.add(n * step) as usize));
                        let a = isa.load(from.add(n * band_ld));
                        let a = isa.mul(a, load_lanes(isa, gate, lanes));
                        let b = load_lanes(isa, gate.wrapping_add(primary), cheap);
                        store_lanes(isa, y, a, lanes);
                        store_lanes(isa, y.wrapping_add(primary), isa.mul(*sum, b), cheap);
                    }
                }
            }
        }
    }
}
