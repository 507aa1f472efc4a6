//! Products of narrow numbers: several factors share the 32 bits of a lane.
//!
//! A *word* is as many consecutive factors of one pixel, or of one column of weights, as fit: a
//! kernel broadcasts a pixel's word and multiplies it with a vector of columns. How wide the
//! factors are and what multiplies them differs, so kernels are generic over a [`Dot`] beside
//! their [`Isa`]. All products of bytes give the same sums, to the bit.

use super::tiles::TileProduct;
use super::{Isa, Op};

/// A kernel, written once for every instruction set and every kind of products it has.
pub trait DotOp {
    /// Runs the kernel; mark the implementation `#[inline(always)]`.
    fn eval<I: Isa, D: Dot<I>>(self, isa: I, dot: D);
}

/// Where each column's sum begins, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The biases.
    pub bias: *const f32,
    /// For products of bytes: what one unit of a sum is worth. Else not read.
    pub scale: *const f32,
    /// For products of bytes: where the sums begin. Else not read.
    pub start: *const i32,
}

/// Sums of products of narrow numbers.
pub trait Dot<I: Isa>: Copy {
    /// Factors in a word.
    const GROUP: usize;
    /// Bytes of a packed weight.
    const WEIGHT_BYTES: usize;
    /// Whether factors are whole numbers: pixels from 0 to 255, weights from -127 to 127.
    const WHOLE: bool;
    /// A vector of words.
    type Words: Copy;
    /// A vector of sums.
    type Sums: Copy;

    /// The sums of no products, for a vector of columns from `column`.
    ///
    /// # Safety
    /// `columns` must be readable for [`Isa::LANES`] elements from there.
    unsafe fn start(self, isa: I, columns: Columns, column: usize) -> Self::Sums;

    /// What the sums are worth, with the bias.
    ///
    /// # Safety
    /// As [`Dot::start`].
    unsafe fn finish(self, isa: I, sums: Self::Sums, columns: Columns, column: usize) -> I::F32;

    /// The word at `src` in every lane.
    ///
    /// # Safety
    /// `src` must be readable for four bytes. No alignment is needed.
    unsafe fn pixel(self, isa: I, src: *const f32) -> Self::Words;

    /// The packed weights of a vector of columns.
    ///
    /// # Safety
    /// `src` must be readable for as many weights. No alignment is needed.
    unsafe fn weights(self, isa: I, src: *const u8) -> Self::Words;

    /// `sums` and, in each lane, the products of the words' factors.
    fn dot(self, isa: I, pixel: Self::Words, weights: Self::Words, sums: Self::Sums) -> Self::Sums;

    /// Reads a vector of sums.
    ///
    /// # Safety
    /// `src` must be readable for [`Isa::LANES`] sums. No alignment is needed.
    unsafe fn sums(self, isa: I, src: *const f32) -> Self::Sums;

    /// Makes the sums of a product in tile registers, with `NZ` vectors of columns.
    ///
    /// # Safety
    /// This thread must have tile registers, and the product what it says.
    unsafe fn tile<const NZ: usize>(self, _product: TileProduct) {}

    /// Writes a vector of factors of a pixel, narrowed.
    ///
    /// # Safety
    /// `dst` must be writable for [`Isa::LANES`] factors.
    unsafe fn store(self, isa: I, dst: *mut u8, values: I::F32);
}

/// Products of bytes as pairs of 16-bit numbers, which every set has and which can't overflow:
/// a pair of products is at most 2 · 255 · 127.
#[derive(Clone, Copy, Debug)]
pub struct Pairs;

impl<I: Isa> Dot<I> for Pairs {
    const GROUP: usize = 2;
    const WEIGHT_BYTES: usize = 1;
    const WHOLE: bool = true;
    type Words = I::I32;
    type Sums = I::I32;

    #[inline(always)]
    unsafe fn start(self, isa: I, columns: Columns, column: usize) -> I::I32 {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(columns.start.add(column)) }
    }

    #[inline(always)]
    unsafe fn finish(self, isa: I, sums: I::I32, columns: Columns, column: usize) -> I::F32 {
        // SAFETY: the caller vouches for the memory.
        unsafe { worth(isa, isa.to_f32(sums), columns, column) }
    }

    #[inline(always)]
    unsafe fn pixel(self, isa: I, src: *const f32) -> I::I32 {
        // SAFETY: the caller vouches for the memory.
        isa.splat_i32(unsafe { src.cast::<i32>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn weights(self, isa: I, src: *const u8) -> I::I32 {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i8_pairs(src.cast()) }
    }

    #[inline(always)]
    fn dot(self, isa: I, pixel: I::I32, weights: I::I32, sums: I::I32) -> I::I32 {
        isa.dot_i16_pairs(pixel, weights, sums)
    }

    #[inline(always)]
    unsafe fn sums(self, isa: I, src: *const f32) -> I::I32 {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(src.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, isa: I, dst: *mut u8, values: I::F32) {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.store_i16(dst.cast(), values) }
    }
}

/// A sum of products of bytes in units of its column, and the bias.
///
/// # Safety
/// As [`Dot::finish`].
#[inline(always)]
pub(super) unsafe fn worth<I: Isa>(
    isa: I,
    sums: I::F32,
    columns: Columns,
    column: usize,
) -> I::F32 {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        isa.fma(sums, isa.load(columns.scale.add(column)), isa.load(columns.bias.add(column)))
    }
}

/// A [`DotOp`] on [`Pairs`].
pub(super) struct OnPairs<O>(pub(super) O);

impl<O: DotOp> Op for OnPairs<O> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.0.eval(isa, Pairs);
    }
}
