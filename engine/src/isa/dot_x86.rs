//! Products of narrow numbers in one instruction: VNNI for bytes, AVX512-BF16 for bfloat16.
//!
//! A value of these types exists only while code runs that was compiled for the instructions, on a
//! CPU that has them: see [`Isa::run_bytes`] and [`Isa::run_halves`].

use std::arch::x86_64::*;

use super::dot::{Columns, Dot, worth};
use super::tiles::TileProduct;
use super::{Avx2, Avx512, Isa, amx};

/// `vpdpbusd` on 512 bits (AVX512-VNNI).
#[derive(Clone, Copy, Debug)]
pub(super) struct Vnni512(pub(super) ());

/// `vpdpbusd` on 256 bits (AVX-VNNI).
#[derive(Clone, Copy, Debug)]
pub(super) struct Vnni256(pub(super) ());

/// `vdpbf16ps` on 512 bits (AVX512-BF16). It takes subnormal numbers for zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bf16Pairs(pub(super) ());

impl Dot<Avx512> for Vnni512 {
    const GROUP: usize = 4;
    const WEIGHT_BYTES: usize = 1;
    const WHOLE: bool = true;
    type Words = __m512i;
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn start(self, isa: Avx512, columns: Columns, column: usize) -> __m512i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(columns.start.add(column)) }
    }

    #[inline(always)]
    unsafe fn finish(self, isa: Avx512, sums: __m512i, columns: Columns, column: usize) -> __m512 {
        // SAFETY: the caller vouches for the memory.
        unsafe { worth(isa, isa.to_f32(sums), columns, column) }
    }

    #[inline(always)]
    unsafe fn pixel(self, isa: Avx512, src: *const f32) -> __m512i {
        // SAFETY: the caller vouches for the memory.
        isa.splat_i32(unsafe { src.cast::<i32>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn weights(self, isa: Avx512, src: *const u8) -> __m512i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(src.cast()) }
    }

    #[inline(always)]
    fn dot(self, _: Avx512, pixel: __m512i, weights: __m512i, sums: __m512i) -> __m512i {
        // SAFETY: this token proves AVX512-VNNI.
        unsafe { _mm512_dpbusd_epi32(sums, pixel, weights) }
    }

    #[inline(always)]
    unsafe fn sums(self, isa: Avx512, src: *const f32) -> __m512i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(src.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, _: Avx512, dst: *mut u8, values: __m512) {
        // SAFETY: the token of the set proves AVX-512 F; the caller vouches for the memory.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(values));
            _mm_storeu_si128(dst.cast(), bytes);
        }
    }
}

impl Dot<Avx2> for Vnni256 {
    const GROUP: usize = 4;
    const WEIGHT_BYTES: usize = 1;
    const WHOLE: bool = true;
    type Words = __m256i;
    type Sums = __m256i;

    #[inline(always)]
    unsafe fn start(self, isa: Avx2, columns: Columns, column: usize) -> __m256i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(columns.start.add(column)) }
    }

    #[inline(always)]
    unsafe fn finish(self, isa: Avx2, sums: __m256i, columns: Columns, column: usize) -> __m256 {
        // SAFETY: the caller vouches for the memory.
        unsafe { worth(isa, isa.to_f32(sums), columns, column) }
    }

    #[inline(always)]
    unsafe fn pixel(self, isa: Avx2, src: *const f32) -> __m256i {
        // SAFETY: the caller vouches for the memory.
        isa.splat_i32(unsafe { src.cast::<i32>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn weights(self, isa: Avx2, src: *const u8) -> __m256i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(src.cast()) }
    }

    #[inline(always)]
    fn dot(self, _: Avx2, pixel: __m256i, weights: __m256i, sums: __m256i) -> __m256i {
        // SAFETY: this token proves AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, pixel, weights) }
    }

    #[inline(always)]
    unsafe fn sums(self, isa: Avx2, src: *const f32) -> __m256i {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load_i32(src.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, _: Avx2, dst: *mut u8, values: __m256) {
        // SAFETY: the token of the set proves AVX2; the caller vouches for the memory.
        unsafe {
            let whole = _mm256_cvtps_epi32(values);
            let low = _mm256_castsi256_si128(whole);
            let shorts = _mm_packs_epi32(low, _mm256_extracti128_si256::<1>(whole));
            _mm_storel_epi64(dst.cast(), _mm_packus_epi16(shorts, shorts));
        }
    }
}

impl Dot<Avx512> for Bf16Pairs {
    const GROUP: usize = 2;
    const WEIGHT_BYTES: usize = 2;
    const WHOLE: bool = false;
    type Words = __m512bh;
    type Sums = __m512;

    #[inline(always)]
    unsafe fn start(self, isa: Avx512, columns: Columns, column: usize) -> __m512 {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load(columns.bias.add(column)) }
    }

    #[inline(always)]
    unsafe fn finish(self, _: Avx512, sums: __m512, _: Columns, _: usize) -> __m512 {
        sums
    }

    #[inline(always)]
    unsafe fn pixel(self, isa: Avx512, src: *const f32) -> __m512bh {
        // SAFETY: the caller vouches for the memory, and both types are 512 bits of anything.
        unsafe { std::mem::transmute(isa.splat_i32(src.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn weights(self, isa: Avx512, src: *const u8) -> __m512bh {
        // SAFETY: as above.
        unsafe { std::mem::transmute(isa.load_i32(src.cast())) }
    }

    #[inline(always)]
    fn dot(self, _: Avx512, pixel: __m512bh, weights: __m512bh, sums: __m512) -> __m512 {
        // SAFETY: this token proves AVX512-BF16.
        unsafe { _mm512_dpbf16_ps(sums, pixel, weights) }
    }

    #[inline(always)]
    unsafe fn sums(self, isa: Avx512, src: *const f32) -> __m512 {
        // SAFETY: the caller vouches for the memory.
        unsafe { isa.load(src) }
    }

    #[inline(always)]
    unsafe fn tile<const NZ: usize>(self, product: TileProduct) {
        // SAFETY: the caller vouches for tiles and memory.
        unsafe { amx::halves::<NZ>(product) }
    }

    #[inline(always)]
    unsafe fn store(self, _: Avx512, dst: *mut u8, values: __m512) {
        // SAFETY: this token proves AVX512-BF16; the caller vouches for the memory, and both types
        // are 256 bits of anything.
        unsafe {
            let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(values));
            _mm256_storeu_si256(dst.cast(), halves);
        }
    }
}
