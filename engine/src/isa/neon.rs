//! NEON: four lanes, on every 64-bit Arm CPU that runs an operating system.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::{Isa, Op, sealed::Sealed};

const LANES: usize = 4;

/// Token for NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

impl Neon {
    /// A token, if this CPU has NEON.
    pub fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl Sealed for Neon {}

impl Isa for Neon {
    const NAME: &'static str = "neon";
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;
    type F32 = float32x4_t;
    type I32 = int32x4_t;

    #[inline]
    fn run<O: Op>(self, op: O) -> O::Output {
        #[target_feature(enable = "neon")]
        fn compiled<O: Op>(isa: Neon, op: O) -> O::Output {
            op.eval(isa)
        }
        // SAFETY: the token proves NEON.
        unsafe { compiled(self, op) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> float32x4_t {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vld1q_f32(src) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> float32x4_t {
        let mut buffer = [0.0; LANES];
        // SAFETY: the token proves NEON; the caller vouches for `lanes <= LANES` and the memory.
        unsafe {
            src.copy_to_nonoverlapping(buffer.as_mut_ptr(), lanes);
            vld1q_f32(buffer.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, vector: float32x4_t) {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vst1q_f32(dst, vector) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, dst: *mut f32, vector: float32x4_t, lanes: usize) {
        let mut buffer = [0.0; LANES];
        // SAFETY: the token proves NEON; the caller vouches for `lanes <= LANES` and the memory.
        unsafe {
            vst1q_f32(buffer.as_mut_ptr(), vector);
            dst.copy_from_nonoverlapping(buffer.as_ptr(), lanes);
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON. The instruction takes the addend first.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vmaxq_f32(a, b) }
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vminq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vrndnq_f32(a) }
    }

    #[inline(always)]
    fn pow2(self, exponent: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON. A whole number plus the bias is the exponent field.
        unsafe {
            let biased = vaddq_s32(vcvtnq_s32_f32(exponent), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const u16) -> float32x4_t {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(src))) }
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}

    #[inline(always)]
    fn sum(self, vector: float32x4_t) -> f32 {
        // SAFETY: the token proves NEON.
        unsafe { vaddvq_f32(vector) }
    }

    #[inline(always)]
    fn above(self, a: float32x4_t, b: float32x4_t) -> u32 {
        let bits = [1, 2, 4, 8];
        // SAFETY: the token proves NEON; `bits` has four elements.
        unsafe { vaddvq_u32(vandq_u32(vcgtq_f32(a, b), vld1q_u32(bits.as_ptr()))) }
    }

    #[inline(always)]
    fn where_above(self, a: float32x4_t, b: float32x4_t, x: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe {
            let kept = vandq_u32(vcgtq_f32(a, b), vreinterpretq_u32_f32(x));
            vreinterpretq_f32_u32(kept)
        }
    }

    #[inline(always)]
    fn deinterleave(self, a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        // SAFETY: the token proves NEON.
        unsafe { (vuzp1q_f32(a, b), vuzp2q_f32(a, b)) }
    }

    #[inline(always)]
    fn halves(self, a: float32x4_t, b: float32x4_t) -> (float32x4_t, float32x4_t) {
        // SAFETY: the token proves NEON.
        unsafe {
            let first = vcombine_f32(vget_low_f32(a), vget_low_f32(b));
            (first, vcombine_f32(vget_high_f32(a), vget_high_f32(b)))
        }
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> int32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdupq_n_s32(value) }
    }

    #[inline(always)]
    unsafe fn load_i32(self, src: *const i32) -> int32x4_t {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vreinterpretq_s32_u8(vld1q_u8(src.cast())) }
    }

    #[inline(always)]
    fn to_f32(self, a: int32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vcvtq_f32_s32(a) }
    }

    #[inline(always)]
    unsafe fn load_i8_pairs(self, src: *const i8) -> int32x4_t {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vreinterpretq_s32_s16(vmovl_s8(vld1_s8(src))) }
    }

    // Not `sdot`, which multiplies bytes at once: the standard library has it for nightly
    // compilers only.
    #[inline(always)]
    fn dot_i16_pairs(self, a: int32x4_t, b: int32x4_t, sums: int32x4_t) -> int32x4_t {
        // SAFETY: the token proves NEON.
        unsafe {
            let (a, b) = (vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
            let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
            vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(a, b)))
        }
    }

    #[inline(always)]
    unsafe fn store_i16(self, dst: *mut i16, a: float32x4_t) {
        // SAFETY: the token proves NEON; the caller vouches for the memory.
        unsafe { vst1_u8(dst.cast(), vreinterpret_u8_s16(vmovn_s32(vcvtq_s32_f32(a)))) }
    }
}
