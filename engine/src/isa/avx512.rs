//! AVX-512: sixteen lanes and masks, on Intel servers since 2017 and AMD since Zen 4.

use std::arch::x86_64::*;

use super::amx::Amx;
use super::dot::{DotOp, OnPairs};
use super::dot_x86::{Bf16Pairs, Vnni512};
use super::{Isa, Op, sealed::Sealed};

const LANES: usize = 16;

/// Token for AVX-512 F, BW, DQ and VL, and for AVX2 and FMA, which every such CPU has; it knows
/// whether there are VNNI, BF16 and AMX too, which came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512 {
    vnni: bool,
    bf16: bool,
    /// Only with both.
    amx: Option<Amx>,
}

impl Avx512 {
    /// A token, if this CPU has all of the features.
    pub fn detect() -> Option<Self> {
        let vnni = is_x86_feature_detected!("avx512vnni");
        let bf16 = is_x86_feature_detected!("avx512bf16");
        (is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma"))
        .then(|| Self { vnni, bf16, amx: Amx::detect().filter(|_| vnni && bf16) })
    }

    pub(super) fn amx(self) -> Option<Amx> {
        self.amx
    }

    pub(super) fn without_tiles(self) -> Self {
        Self { amx: None, ..self }
    }
}

/// The mask of the first `lanes` lanes.
#[inline(always)]
fn mask(lanes: usize) -> __mmask16 {
    debug_assert!(lanes <= LANES);
    ((1u32 << lanes) - 1) as __mmask16
}

impl Sealed for Avx512 {}

impl Isa for Avx512 {
    const NAME: &'static str = "avx512";
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;
    type F32 = __m512;
    type I32 = __m512i;

    #[inline]
    fn run<O: Op>(self, op: O) -> O::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled<O: Op>(isa: Avx512, op: O) -> O::Output {
            op.eval(isa)
        }
        // SAFETY: the token proves all of these features.
        unsafe { compiled(self, op) }
    }

    fn byte_group(self) -> usize {
        if self.vnni { 4 } else { 2 }
    }

    fn has_halves(self) -> bool {
        self.bf16
    }

    fn without_dots(self) -> Self {
        Self { vnni: false, bf16: false, amx: None }
    }

    #[inline]
    fn run_bytes<O: DotOp>(self, op: O) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
        fn compiled<O: DotOp>(isa: Avx512, op: O) {
            op.eval(isa, Vnni512(()));
        }
        if self.vnni {
            // SAFETY: the token proves all other features, and the flag AVX512-VNNI.
            unsafe { compiled(self, op) }
        } else {
            self.run(OnPairs(op));
        }
    }

    #[inline]
    fn run_halves<O: DotOp>(self, op: O) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
        fn compiled<O: DotOp>(isa: Avx512, op: O) {
            op.eval(isa, Bf16Pairs(()));
        }
        if self.bf16 {
            // SAFETY: the token proves all other features, and the flag AVX512-BF16.
            unsafe { compiled(self, op) }
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> __m512 {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory.
        unsafe { _mm512_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> __m512 {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory, and a masked load
        // touches no other element.
        unsafe { _mm512_maskz_loadu_ps(mask(lanes), src) }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, vector: __m512) {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory.
        unsafe { _mm512_storeu_ps(dst, vector) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, dst: *mut f32, vector: __m512, lanes: usize) {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory, and a masked
        // store touches no other element.
        unsafe { _mm512_mask_storeu_ps(dst, mask(lanes), vector) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn pow2(self, exponent: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F. A whole number plus the bias is the exponent field.
        unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(exponent), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const u16) -> __m512 {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory.
        unsafe {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(src.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }

    #[inline(always)]
    fn sum(self, vector: __m512) -> f32 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_reduce_add_ps(vector) }
    }

    #[inline(always)]
    fn above(self, a: __m512, b: __m512) -> u32 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b).into() }
    }

    #[inline(always)]
    fn where_above(self, a: __m512, b: __m512, x: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), x) }
    }

    #[inline(always)]
    fn deinterleave(self, a: __m512, b: __m512) -> (__m512, __m512) {
        // SAFETY: the token proves AVX-512 F. Indices 0 to 15 pick from `a`, 16 to 31 from `b`.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        }
    }

    #[inline(always)]
    fn halves(self, a: __m512, b: __m512) -> (__m512, __m512) {
        // SAFETY: the token proves AVX-512 F.
        unsafe { (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b)) }
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> __m512i {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load_i32(self, src: *const i32) -> __m512i {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory.
        unsafe { _mm512_loadu_si512(src.cast()) }
    }

    #[inline(always)]
    fn to_f32(self, a: __m512i) -> __m512 {
        // SAFETY: the token proves AVX-512 F.
        unsafe { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    unsafe fn load_i8_pairs(self, src: *const i8) -> __m512i {
        // SAFETY: the token proves AVX-512 BW; the caller vouches for the memory.
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(src.cast())) }
    }

    #[inline(always)]
    fn dot_i16_pairs(self, a: __m512i, b: __m512i, sums: __m512i) -> __m512i {
        // SAFETY: the token proves AVX-512 BW.
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)) }
    }

    #[inline(always)]
    unsafe fn store_i16(self, dst: *mut i16, a: __m512) {
        // SAFETY: the token proves AVX-512 F; the caller vouches for the memory.
        unsafe {
            let shorts = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a));
            _mm256_storeu_si256(dst.cast(), shorts);
        }
    }
}
