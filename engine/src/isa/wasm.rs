//! WebAssembly's fixed-width vectors: four lanes, in browsers since 2021, Node.js and wasmtime.
//!
//! A module that has such instructions does not load where they are missing, so there is nothing to
//! detect at run time: the token exists where the build enables `simd128`.

use std::arch::wasm32::*;

use super::{Isa, Op, sealed::Sealed};

const LANES: usize = 4;

/// Token for WebAssembly's `simd128`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wasm(());

impl Wasm {
    /// A token: this code runs, so the engine has the instructions.
    pub fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

impl Sealed for Wasm {}

impl Isa for Wasm {
    const NAME: &'static str = "wasm";
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;
    type F32 = v128;
    type I32 = v128;

    #[inline]
    fn run<O: Op>(self, op: O) -> O::Output {
        // A function of its own, as the other sets have: a kernel that runs kernels would be
        // compiled as one piece, with a copy of each.
        #[inline(never)]
        fn compiled<O: Op>(isa: Wasm, op: O) -> O::Output {
            op.eval(isa)
        }
        compiled(self, op)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> v128 {
        f32x4_splat(value)
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> v128 {
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { v128_load(src.cast()) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> v128 {
        let mut buffer = [0.0; LANES];
        // SAFETY: the caller vouches for `lanes <= LANES` and the memory.
        unsafe {
            src.copy_to_nonoverlapping(buffer.as_mut_ptr(), lanes);
            v128_load(buffer.as_ptr().cast())
        }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, vector: v128) {
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { v128_store(dst.cast(), vector) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, dst: *mut f32, vector: v128, lanes: usize) {
        let mut buffer = [0.0; LANES];
        // SAFETY: the caller vouches for `lanes <= LANES` and the memory.
        unsafe {
            v128_store(buffer.as_mut_ptr().cast(), vector);
            dst.copy_from_nonoverlapping(buffer.as_ptr(), lanes);
        }
    }

    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }

    #[inline(always)]
    fn sub(self, a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }

    #[inline(always)]
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }

    // Fused instructions are in another feature, `relaxed-simd`.
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    // Not `f32x4_max`, whose rules for NaN and signed zeros take several instructions on x86-64.
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(a, b)
    }

    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(a, b)
    }

    #[inline(always)]
    fn div(self, a: v128, b: v128) -> v128 {
        f32x4_div(a, b)
    }

    #[inline(always)]
    fn round(self, a: v128) -> v128 {
        f32x4_nearest(a)
    }

    // A whole number plus the bias is the exponent field.
    #[inline(always)]
    fn pow2(self, exponent: v128) -> v128 {
        let biased = i32x4_add(i32x4_trunc_sat_f32x4(exponent), i32x4_splat(127));
        i32x4_shl(biased, 23)
    }

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const u16) -> v128 {
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { u32x4_shl(u32x4_load_extend_u16x4(src), 16) }
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}

    #[inline(always)]
    fn sum(self, vector: v128) -> f32 {
        let halves = f32x4_add(vector, i32x4_shuffle::<2, 3, 0, 1>(vector, vector));
        f32x4_extract_lane::<0>(halves) + f32x4_extract_lane::<1>(halves)
    }

    #[inline(always)]
    fn above(self, a: v128, b: v128) -> u32 {
        u32::from(i32x4_bitmask(f32x4_gt(a, b)))
    }

    #[inline(always)]
    fn where_above(self, a: v128, b: v128, x: v128) -> v128 {
        v128_and(f32x4_gt(a, b), x)
    }

    #[inline(always)]
    fn deinterleave(self, a: v128, b: v128) -> (v128, v128) {
        (i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
    }

    #[inline(always)]
    fn halves(self, a: v128, b: v128) -> (v128, v128) {
        (i64x2_shuffle::<0, 2>(a, b), i64x2_shuffle::<1, 3>(a, b))
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> v128 {
        i32x4_splat(value)
    }

    #[inline(always)]
    unsafe fn load_i32(self, src: *const i32) -> v128 {
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { v128_load(src.cast()) }
    }

    #[inline(always)]
    fn to_f32(self, a: v128) -> v128 {
        f32x4_convert_i32x4(a)
    }

    #[inline(always)]
    unsafe fn load_i8_pairs(self, src: *const i8) -> v128 {
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { i16x8_load_extend_i8x8(src) }
    }

    #[inline(always)]
    fn dot_i16_pairs(self, a: v128, b: v128, sums: v128) -> v128 {
        i32x4_add(sums, i32x4_dot_i16x8(a, b))
    }

    #[inline(always)]
    unsafe fn store_i16(self, dst: *mut i16, a: v128) {
        let whole = i32x4_trunc_sat_f32x4(a);
        // SAFETY: the caller vouches for the memory; no alignment is needed.
        unsafe { v128_store64_lane::<0>(i16x8_narrow_i32x4(whole, whole), dst.cast()) }
    }
}
