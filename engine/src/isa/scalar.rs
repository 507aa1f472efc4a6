//! Plain Rust for any CPU: four lanes in an array, for which the compiler uses whatever vectors
//! the build's target has.

use super::{Isa, Op, sealed::Sealed};

const LANES: usize = 4;

/// Token for plain Rust; every CPU has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar;

impl Sealed for Scalar {}

impl Isa for Scalar {
    const NAME: &'static str = "scalar";
    const LANES: usize = LANES;
    const REGISTERS: usize = 8;
    type F32 = [f32; LANES];
    type I32 = [i32; LANES];

    #[inline]
    fn run<O: Op>(self, op: O) -> O::Output {
        // A function of its own, as the other sets have: a kernel that runs kernels would be
        // compiled as one piece, with a copy of each.
        #[inline(never)]
        fn compiled<O: Op>(isa: Scalar, op: O) -> O::Output {
            op.eval(isa)
        }
        compiled(self, op)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F32 {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> Self::F32 {
        // SAFETY: the caller vouches for LANES readable elements.
        unsafe { src.cast::<Self::F32>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> Self::F32 {
        let mut vector = [0.0; LANES];
        // SAFETY: the caller vouches for `lanes` readable elements and for `lanes <= LANES`.
        unsafe { src.copy_to_nonoverlapping(vector.as_mut_ptr(), lanes) };
        vector
    }

    #[inline(always)]
    unsafe fn store(self, dst: *mut f32, vector: Self::F32) {
        // SAFETY: the caller vouches for LANES writable elements.
        unsafe { dst.cast::<Self::F32>().write_unaligned(vector) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, dst: *mut f32, vector: Self::F32, lanes: usize) {
        // SAFETY: the caller vouches for `lanes` writable elements and for `lanes <= LANES`.
        unsafe { dst.copy_from_nonoverlapping(vector.as_ptr(), lanes) }
    }

    #[inline(always)]
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    // Not `f32::mul_add`: without the instruction that is a library call for every lane.
    #[inline(always)]
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| a[lane] / b[lane])
    }

    #[inline(always)]
    fn round(self, a: Self::F32) -> Self::F32 {
        a.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn pow2(self, exponent: Self::F32) -> Self::F32 {
        exponent.map(|whole| f32::from_bits(((whole as i32 + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn load_bf16(self, src: *const u16) -> Self::F32 {
        // SAFETY: the caller vouches for LANES readable elements.
        let halves = unsafe { src.cast::<[u16; LANES]>().read_unaligned() };
        halves.map(|half| f32::from_bits(u32::from(half) << 16))
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}

    #[inline(always)]
    fn sum(self, [a, b, c, d]: Self::F32) -> f32 {
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn above(self, a: Self::F32, b: Self::F32) -> u32 {
        (0..LANES).fold(0, |bits, lane| bits | u32::from(a[lane] > b[lane]) << lane)
    }

    #[inline(always)]
    fn where_above(self, a: Self::F32, b: Self::F32, x: Self::F32) -> Self::F32 {
        std::array::from_fn(|lane| if a[lane] > b[lane] { x[lane] } else { 0.0 })
    }

    #[inline(always)]
    fn deinterleave(self, a: Self::F32, b: Self::F32) -> (Self::F32, Self::F32) {
        ([a[0], a[2], b[0], b[2]], [a[1], a[3], b[1], b[3]])
    }

    #[inline(always)]
    fn halves(self, a: Self::F32, b: Self::F32) -> (Self::F32, Self::F32) {
        ([a[0], a[1], b[0], b[1]], [a[2], a[3], b[2], b[3]])
    }

    #[inline(always)]
    fn splat_i32(self, value: i32) -> Self::I32 {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load_i32(self, src: *const i32) -> Self::I32 {
        // SAFETY: the caller vouches for LANES readable elements.
        unsafe { src.cast::<Self::I32>().read_unaligned() }
    }

    #[inline(always)]
    fn to_f32(self, a: Self::I32) -> Self::F32 {
        a.map(|lane| lane as f32)
    }

    #[inline(always)]
    unsafe fn load_i8_pairs(self, src: *const i8) -> Self::I32 {
        // SAFETY: the caller vouches for twice as many readable elements.
        let bytes = unsafe { src.cast::<[[i8; 2]; LANES]>().read_unaligned() };
        bytes.map(|[low, high]| pack(low.into(), high.into()))
    }

    #[inline(always)]
    fn dot_i16_pairs(self, a: Self::I32, b: Self::I32, sums: Self::I32) -> Self::I32 {
        std::array::from_fn(|lane| {
            let ((a, c), (b, d)) = (halves(a[lane]), halves(b[lane]));
            sums[lane].wrapping_add(a * b).wrapping_add(c * d)
        })
    }

    #[inline(always)]
    unsafe fn store_i16(self, dst: *mut i16, a: Self::F32) {
        // SAFETY: the caller vouches for LANES writable elements.
        unsafe { dst.cast::<[i16; LANES]>().write_unaligned(a.map(|lane| lane as i16)) }
    }
}

/// Two 16-bit numbers as a lane, in the order in which they lie in memory.
#[inline(always)]
fn pack(first: i16, second: i16) -> i32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    i32::from_ne_bytes([a, b, c, d])
}

/// The two 16-bit numbers of a lane.
#[inline(always)]
fn halves(lane: i32) -> (i32, i32) {
    let [a, b, c, d] = lane.to_ne_bytes();
    (i16::from_ne_bytes([a, b]).into(), i16::from_ne_bytes([c, d]).into())
}
