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
    /// `y · gate`: a gate of lower resolution; `columns` tells where its pixel for each of `y` is.
    Gate { gate: *const f32, columns: *const u32 },
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
                self.merge(isa, sums, (y, from), band_ld, (c, first), All);
            } else {
                let sums = *sums; // a copy, so that those of whole vectors stay in registers
                self.merge(isa, &sums, (y, from), band_ld, (c, first), First(lanes, cheap));
            }
        }
    }
}

impl Joined {
    /// Merges and stores the lanes that there are.
    ///
    /// # Safety
    /// As [`RowTarget::store`]; `y` and `from` are at the first output.
    #[inline(always)]
    unsafe fn merge<I: Isa, L: Pair, const N: usize>(
        &self,
        isa: I,
        sums: &[I::F32; N],
        (y, from): (*mut f32, *const f32),
        band_ld: usize,
        (c, first): (usize, usize),
        lanes: L,
    ) {
        let Self { ld, primary, .. } = *self;
        // SAFETY: as the caller's.
        unsafe {
            match self.merge {
                Merge::None => {
                    for (n, sum) in sums.iter().enumerate() {
                        let from = isa.load(from.add(n * band_ld));
                        lanes.store(isa, y.add(n * ld), primary, (from, *sum));
                    }
                }
                Merge::Add { add, ld: add_ld } => {
                    let add = add.add(first * add_ld + c);
                    for (n, sum) in sums.iter().enumerate() {
                        let (a, b) = lanes.load(isa, add.add(n * add_ld), primary);
                        let a = isa.add(isa.load(from.add(n * band_ld)), a);
                        lanes.store(isa, y.add(n * ld), primary, (a, isa.add(*sum, b)));
                    }
                }
                Merge::Gate { gate, columns } => {
                    let (gate, columns) = (gate.add(c), columns.add(first));
                    for (n, sum) in sums.iter().enumerate() {
                        let gate = gate.add(*columns.add(n) as usize);
                        let (a, b) = lanes.load(isa, gate, primary);
                        let a = isa.mul(isa.load(from.add(n * band_ld)), a);
                        lanes.store(isa, y.add(n * ld), primary, (a, isa.mul(*sum, b)));
                    }
                }
            }
        }
    }
}

/// The lanes of a primary vector and of its cheap one that belong to the map.
trait Pair: Copy {
    /// The vectors at `from` and `apart` elements behind.
    ///
    /// # Safety
    /// These lanes must be readable.
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32, apart: usize) -> (I::F32, I::F32);

    /// Stores both, `apart` elements from one another.
    ///
    /// # Safety
    /// These lanes must be writable.
    unsafe fn store<I: Isa>(self, isa: I, to: *mut f32, apart: usize, pair: (I::F32, I::F32));
}

/// Whole vectors.
#[derive(Clone, Copy)]
struct All;

impl Pair for All {
    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32, apart: usize) -> (I::F32, I::F32) {
        // SAFETY: the caller vouches for both.
        unsafe { (isa.load(from), isa.load(from.add(apart))) }
    }

    #[inline(always)]
    unsafe fn store<I: Isa>(self, isa: I, to: *mut f32, apart: usize, pair: (I::F32, I::F32)) {
        // SAFETY: the caller vouches for both.
        unsafe {
            isa.store(to, pair.0);
            isa.store(to.add(apart), pair.1);
        }
    }
}

/// The first lanes of each.
#[derive(Clone, Copy)]
struct First(usize, usize);

impl Pair for First {
    #[inline(always)]
    unsafe fn load<I: Isa>(self, isa: I, from: *const f32, apart: usize) -> (I::F32, I::F32) {
        // SAFETY: the caller vouches for these lanes.
        unsafe {
            let first = load_lanes(isa, from, self.0);
            (first, load_lanes(isa, from.wrapping_add(apart), self.1))
        }
    }

    #[inline(always)]
    unsafe fn store<I: Isa>(self, isa: I, to: *mut f32, apart: usize, pair: (I::F32, I::F32)) {
        // SAFETY: the caller vouches for these lanes.
        unsafe {
            store_lanes(isa, to, pair.0, self.0);
            store_lanes(isa, to.wrapping_add(apart), pair.1, self.1);
        }
    }
}
