//! Sums of outer products, in register tiles: the gradient of weights.

use std::ops::Range;

use crate::isa::{AnyIsa, Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};

/// Elements of both operands that pass through the tiles together: they stay in the second cache.
const BLOCK_LEN: usize = 32 << 10;

/// The largest tile, in rows; by two vectors, with 32 registers.
const MAX_HEIGHT: usize = 12;

/// `c[n, k] += Σ_m a[m, n] · b[m, k]` for some `m` and some rows `n` of `c`.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    n: usize,
    k: usize,
    sum: (usize, usize),
    rows: (usize, usize),
}

impl Outer {
    /// # Safety
    /// `c` must be `[n, k]`, and nobody else may have these rows of it.
    pub(super) unsafe fn new(
        a: &[f32],
        b: &[f32],
        (n, k): (usize, usize),
        sum: Range<usize>,
        rows: Range<usize>,
        c: *mut f32,
    ) -> Self {
        assert!(a.len() >= sum.end * n && b.len() >= sum.end * k && rows.end <= n);
        let (sum, rows) = ((sum.start, sum.end), (rows.start, rows.end));
        Self { a: a.as_ptr(), b: b.as_ptr(), c, n, k, sum, rows }
    }

    /// Rows of a tile.
    pub(super) fn height(isa: AnyIsa) -> usize {
        height(isa.registers())
    }
}

/// Rows of a tile by two vectors whose sums, operands and broadcast fit in the registers.
const fn height(registers: usize) -> usize {
    if registers >= 32 {
        MAX_HEIGHT
    } else if registers >= 16 {
        6
    } else {
        4
    }
}

impl Op for Outer {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let block = (BLOCK_LEN / (self.n + self.k).max(1)).clamp(16, 1024);
        let height = height(I::REGISTERS);
        let mut m = self.sum.0;
        while m < self.sum.1 {
            let count = block.min(self.sum.1 - m);
            let mut row = self.rows.0;
            while row < self.rows.1 {
                let rows = height.min(self.rows.1 - row);
                macro_rules! strip {
                    ($($mr:literal)*) => {
                        match rows {
                            // SAFETY: the operands have these rows.
                            $($mr if $mr <= height => unsafe {
                                self.strip::<I, $mr>(isa, m, count, row);
                            },)*
                            _ => {}
                        }
                    };
                }
                strip!(1 2 3 4 5 6 7 8 9 10 11 12);
                row += rows;
            }
            m += count;
        }
    }
}

impl Outer {
    /// `MR` rows of `c`, all columns.
    ///
    /// # Safety
    /// The operands must have these rows.
    #[inline(always)]
    unsafe fn strip<I: Isa, const MR: usize>(self, isa: I, m: usize, count: usize, row: usize) {
        let mut column = 0;
        while column < self.k {
            let left = self.k - column;
            // SAFETY: as the caller's; the lanes are columns that are left.
            unsafe {
                if left > I::LANES {
                    let lanes = (left - I::LANES).min(I::LANES);
                    self.tile::<I, MR, 2>(isa, (m, count), (row, column), lanes);
                } else {
                    self.tile::<I, MR, 1>(isa, (m, count), (row, column), left);
                }
            }
            column += 2 * I::LANES;
        }
    }

    /// # Safety
    /// As [`Outer::strip`]; `lanes` columns of the last vector must be there.
    #[inline(always)]
    unsafe fn tile<I: Isa, const MR: usize, const NZ: usize>(
        self,
        isa: I,
        (m, count): (usize, usize),
        (row, column): (usize, usize),
        lanes: usize,
    ) {
        let of = |z: usize| if z + 1 == NZ { lanes } else { I::LANES };
        let mut sums = [[isa.splat(0.0); NZ]; MR];
        // SAFETY: as the caller's.
        unsafe {
            let mut a = self.a.add(m * self.n + row);
            let mut b = self.b.add(m * self.k + column);
            for _ in 0..count {
                let mut vectors = [isa.splat(0.0); NZ];
                for (z, vector) in vectors.iter_mut().enumerate() {
                    *vector = load_lanes(isa, b.add(z * I::LANES), of(z));
                }
                for (i, row) in sums.iter_mut().enumerate() {
                    let factor = isa.splat(*a.add(i));
                    for z in 0..NZ {
                        row[z] = isa.fma(factor, vectors[z], row[z]);
                    }
                }
                (a, b) = (a.add(self.n), b.add(self.k));
            }
            for (i, sums) in sums.iter().enumerate() {
                for (z, sum) in sums.iter().enumerate() {
                    let to = self.c.add((row + i) * self.k + column + z * I::LANES);
                    let sum = isa.add(*sum, load_lanes(isa, to, of(z)));
                    store_lanes(isa, to, sum, of(z));
                }
            }
        }
    }
}
