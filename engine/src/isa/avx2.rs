//! AVX2 with FMA: eight lanes, on nearly every x86-64 CPU since 2013 (Intel) and 2015 (AMD).

use std::arch::x86_64::*;

use super::dot::{DotOp, OnPairs};
use super::dot_x86::Vnni256;
use super::{Isa, Op, sealed::Sealed};

const LANES: usize = 8;

/// Reading eight entries from position `8 - n` gives a mask of the first `n` lanes.
static MASKS: [i32; 2 * LANES] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Token for AVX2 and FMA; it knows whether there is AVX-VNNI too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2 {
    vnni: bool,
}

impl Avx2 {
    /// A token, if this CPU has AVX2 and FMA.
    pub fn detect() -> Option<Self> {
        let vnni = is_x86_feature_detected!("avxvnni");
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
            .then_some(Self { vnni })
    }

    /// The mask of the first `lanes` lanes.
    ///
    /// # Safety
    /// `lanes` must be at most [`LANES`].
    #[inline(always)]
    unsafe fn mask(self, lanes: usize) -> __m256i {
        debug_assert!(lanes <= LANES);
        // SAFETY: the token proves AVX2, and `8 - lanes` leaves eight entries to read.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(LANES - lanes).cast()) }
    }
}

impl Sealed for Avx2 {}

impl Isa for Avx2 {
    const NAME: &'static str = "avx2";
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;
    type F32 = __m256;
    type I32 = __m256i;

    #[inline]
    fn run<O: Op>(self, op: O) -> O::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<O: Op>(isa: Avx2, op: O) -> O::Output {
            op.eval(isa)
        }
        // SAFETY: the token proves AVX2 and FMA.
        unsafe { compiled(self, op) }
    }

    fn byte_group(self) -> usize {
        if self.vnni { 4 } else { 2 }
    }

    fn without_dots(self) -> Self {
        Self { vnni: false }
    }

    #[inline]
    fn run_bytes<O: DotOp>(self, op: O) {
        #[target_feature(enable = "avx2,fma,avxvnni")]
        fn compiled<O: DotOp>(isa: Avx2, op: O) {
            op.eval(isa, Vnni256(()));
        }
        if self.vnni {
            // SAFETY: the token proves AVX2 and FMA, and the flag AVX-VNNI.
            unsafe { compiled(self, op) }
        } else {
            self.run(OnPairs(op));
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> __m256 {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe { _mm256_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> __m256 {
        // SAFETY: the token proves AVX2; the caller vouches for `lanes` and the memory, and a
        // masked load touches no other element.
        unsafe { _mm256_maskload_ps(src, self.mask(lanes)) }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, vector: __m256) {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe { _mm256_storeu_ps(dst, vector) }
    }

    // Not `_mm256_maskstore_ps`, which takes a dozen cycles on AMD. Channel counts are multiples
    // of four nearly always, so that the first branch does all of the work.
    #[inline(always)]
    unsafe fn store_partial(self, dst: *mut f32, vector: __m256, lanes: usize) {
        debug_assert!(lanes <= LANES);
        // SAFETY: the token proves AVX2; the caller vouches for `lanes` and the memory, and the
        // parts together are `lanes` long.
        unsafe {
            if lanes == LANES {
                return _mm256_storeu_ps(dst, vector);
            }
            let (mut dst, mut rest) = (dst, _mm256_castps256_ps128(vector));
            if lanes & 4 != 0 {
                _mm_storeu_ps(dst, rest);
                (dst, rest) = (dst.add(4), _mm256_extractf128_ps::<1>(vector));
            }
            if lanes & 2 != 0 {
                _mm_storel_epi64(dst.cast(), _mm_castps_si128(rest));
                (dst, rest) = (dst.add(2), _mm_movehl_ps(rest, rest));
            }
            if lanes & 1 != 0 {
                _mm_store_ss(dst, rest);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn pow2(self, exponent: __m256) -> __m256 {
        // SAFETY: the token proves AVX2. A whole number plus the bias is the exponent field.
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const u16) -> __m256 {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(src.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    #[inline(always)]
    fn sum(self, vector: __m256) -> f32 {
        // SAFETY: the token proves AVX2.
        unsafe {
            let four =
                _mm_add_ps(_mm256_castps256_ps128(vector), _mm256_extractf128_ps::<1>(vector));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn above(self, a: __m256, b: __m256) -> u32 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)).cast_unsigned() }
    }

    #[inline(always)]
    fn where_above(self, a: __m256, b: __m256, x: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b), x) }
    }

    #[inline(always)]
    fn deinterleave(self, a: __m256, b: __m256) -> (__m256, __m256) {
        // SAFETY: the token proves AVX2.
        unsafe {
            let low = _mm256_permute2f128_ps::<0x20>(a, b); // a0 a1 a2 a3 | b0 b1 b2 b3
            let high = _mm256_permute2f128_ps::<0x31>(a, b); // a4 a5 a6 a7 | b4 b5 b6 b7
            let even = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
            let odd = _mm256_shuffle_ps::<0b11_01_11_01>(low, high);
            (even, odd)
        }
    }

    #[inline(always)]
    fn halves(self, a: __m256, b: __m256) -> (__m256, __m256) {
        // SAFETY: the token proves AVX2.
        unsafe { (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)) }
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> __m256i {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load_i32(self, src: *const i32) -> __m256i {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe { _mm256_loadu_si256(src.cast()) }
    }

    #[inline(always)]
    fn to_f32(self, a: __m256i) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_cvtepi32_ps(a) }
    }

    #[inline(always)]
    unsafe fn load_i8_pairs(self, src: *const i8) -> __m256i {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(src.cast())) }
    }

    #[inline(always)]
    fn dot_i16_pairs(self, a: __m256i, b: __m256i, sums: __m256i) -> __m256i {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
    }

    #[inline(always)]
    unsafe fn store_i16(self, dst: *mut i16, a: __m256) {
        // SAFETY: the token proves AVX2; the caller vouches for the memory.
        unsafe {
            let whole = _mm256_cvtps_epi32(a);
            let low = _mm256_castsi256_si128(whole);
            let shorts = _mm_packs_epi32(low, _mm256_extracti128_si256::<1>(whole));
            _mm_storeu_si128(dst.cast(), shorts);
        }
    }
}
