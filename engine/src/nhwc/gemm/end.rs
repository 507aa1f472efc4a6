//! The end of a tile: what is added to its sums, the activation, and the way to memory.

use super::{Addressing, Gemm, Target};
use crate::isa::Isa;
use crate::nhwc::activation::Activation;
use crate::nhwc::{load_lanes, store_lanes};

impl<A: Addressing> Gemm<A> {
    /// Adds to a tile's sums what is to be added, activates and stores them.
    ///
    /// # Safety
    /// The map to add and the target must have these pixels.
    #[inline(always)]
    pub(super) unsafe fn end<I: Isa, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        first: usize,
        sums: &[[I::F32; NZ]; MR],
        to: &mut Cursor,
    ) {
        // SAFETY: as the caller's.
        unsafe {
            let plain = self.plain(to.left, MR, I::LANES);
            if let Some(least) = self.c.activation.least().filter(|_| plain) {
                let least = isa.splat(least);
                for (m, row) in sums.iter().enumerate() {
                    for (z, sum) in row.iter().enumerate() {
                        let to = to.data.add(m * self.c.ld + z * I::LANES);
                        isa.store(to, isa.max(least, *sum));
                    }
                }
                to.advance(MR, &self.c);
            } else {
                // A copy, so that the sums above stay in registers whatever happens here.
                let mut sums = *sums;
                self.finish(isa, first, &mut sums);
                self.store(isa, &sums, to);
            }
        }
    }

    /// Whether a tile is stored as whole vectors to one row, and nothing is added.
    #[inline(always)]
    fn plain(&self, left: usize, pixels: usize, lanes: usize) -> bool {
        self.panel.tail == lanes && self.c.add.is_null() && left >= pixels
    }

    /// Adds what is to be added and activates.
    ///
    /// # Safety
    /// The map to add must have these pixels.
    #[inline(always)]
    unsafe fn finish<I: Isa, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        first: usize,
        sums: &mut [[I::F32; NZ]; MR],
    ) {
        if !self.c.add.is_null() {
            for (m, row) in sums.iter_mut().enumerate() {
                for (z, sum) in row.iter_mut().enumerate() {
                    let lanes = if z + 1 == NZ { self.panel.tail } else { I::LANES };
                    // SAFETY: the caller vouches for the map.
                    let add = unsafe {
                        let pixel = self.c.add.add((first + m) * self.c.add_ld);
                        load_lanes(isa, pixel.add(z * I::LANES), lanes)
                    };
                    *sum = isa.add(*sum, add);
                }
            }
        }
        match self.c.activation {
            Activation::Identity => {}
            Activation::Relu => {
                for row in sums {
                    for sum in row {
                        *sum = isa.max(*sum, isa.splat(0.0));
                    }
                }
            }
            other => {
                for row in sums {
                    for sum in row {
                        *sum = other.apply(isa, *sum);
                    }
                }
            }
        }
    }

    /// Stores a tile.
    ///
    /// # Safety
    /// The target must have these pixels.
    #[inline(always)]
    unsafe fn store<I: Isa, const MR: usize, const NZ: usize>(
        &self,
        isa: I,
        sums: &[[I::F32; NZ]; MR],
        to: &mut Cursor,
    ) {
        let tail = self.panel.tail;
        for row in sums {
            for (z, sum) in row.iter().enumerate() {
                let lanes = if z + 1 == NZ { tail } else { I::LANES };
                // SAFETY: the caller vouches for the target.
                unsafe { store_lanes(isa, to.data.add(z * I::LANES), *sum, lanes) };
            }
            to.advance(1, &self.c);
        }
    }
}

/// The next pixel to store, and how many are left in its row.
pub(super) struct Cursor {
    pub(super) data: *mut f32,
    pub(super) left: usize,
}

impl Cursor {
    /// Goes on by `pixels` pixels, at most what is left in the row.
    #[inline(always)]
    fn advance(&mut self, pixels: usize, target: &Target) {
        self.data = self.data.wrapping_add(pixels * target.ld);
        self.left -= pixels;
        if self.left == 0 {
            self.data = self.data.wrapping_add(target.gap);
            self.left = target.width;
        }
    }
}
