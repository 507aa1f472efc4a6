//! Instruction sets as tokens, and kernels written once over them.
//!
//! A value of type [`Avx2`] can only come from [`Avx2::detect`], so holding one proves that the
//! CPU has the instructions, and every vector operation is a method of such a token. A kernel is a
//! struct that implements [`Op`]; [`dispatch`] runs it on the best set that the CPU has, and
//! [`AnyIsa::available`] lets tests run it on every one.
//!
//! Everything between a token's `run` and its vector operations must be `#[inline(always)]`: only
//! code that is inlined into the `#[target_feature]` function inside `run` is compiled for that
//! instruction set. Closures are not, so kernels do without them.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dot;
#[cfg(target_arch = "x86_64")]
mod dot_x86;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
mod tiles;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use dot::{Columns, Dot, DotOp, Pairs};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use scalar::Scalar;
pub use tiles::{TILE, TileProduct};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Wasm;

/// The most lanes that any set has.
pub const MAX_LANES: usize = 16;

/// A kernel, written once for every instruction set.
///
/// # Example
/// ```
/// use engine::isa::{dispatch, Isa, Op};
///
/// struct Largest<'a>(&'a [f32]);
///
/// impl Op for Largest<'_> {
///     type Output = f32;
///
///     #[inline(always)]
///     fn eval<I: Isa>(self, isa: I) -> f32 {
///         let mut best = isa.splat(f32::MIN);
///         for part in self.0.chunks(I::LANES) {
///             // SAFETY: a chunk of n elements is readable for n lanes; the rest become zero,
///             // which is why this example wants positive numbers.
///             best = isa.max(best, unsafe { isa.load_partial(part.as_ptr(), part.len()) });
///         }
///         let mut lanes = vec![0.0; I::LANES];
///         // SAFETY: `lanes` has room for every lane.
///         unsafe { isa.store(lanes.as_mut_ptr(), best) };
///         lanes.into_iter().fold(f32::MIN, f32::max)
///     }
/// }
///
/// assert_eq!(dispatch(Largest(&[1.0, 5.0, 2.0])), 5.0);
/// ```
pub trait Op {
    /// What the kernel returns.
    type Output;

    /// Runs the kernel; mark the implementation `#[inline(always)]`.
    fn eval<I: Isa>(self, isa: I) -> Self::Output;
}

/// Vector operations of one instruction set.
///
/// The trait is sealed: kernels rely on [`Isa::LANES`] being what loads and stores touch.
pub trait Isa: Copy + Send + Sync + 'static + sealed::Sealed {
    /// The set's name in messages and reports.
    const NAME: &'static str;
    /// Number of `f32` in one vector.
    const LANES: usize;
    /// Number of vector registers: how large a register tile may be.
    const REGISTERS: usize;
    /// A vector of [`Isa::LANES`] `f32`.
    type F32: Copy;
    /// A vector of [`Isa::LANES`] `i32`.
    type I32: Copy;

    /// Compiles `op` for this set and runs it.
    fn run<O: Op>(self, op: O) -> O::Output;

    /// Factors in a word of the products of bytes that [`Isa::run_bytes`] chooses.
    fn byte_group(self) -> usize {
        2
    }

    /// Whether the set has products of bfloat16, which [`Isa::run_halves`] needs.
    fn has_halves(self) -> bool {
        false
    }

    /// This set without instructions for products of narrow numbers that not all of its CPUs have.
    fn without_dots(self) -> Self {
        self
    }

    /// Compiles `op` for the best products of bytes that this CPU has and runs it.
    fn run_bytes<O: DotOp>(self, op: O) {
        self.run(dot::OnPairs(op));
    }

    /// Compiles `op` for products of bfloat16 and runs it, where [`Isa::has_halves`].
    fn run_halves<O: DotOp>(self, _op: O) {}

    /// The same value in every lane.
    fn splat(self, value: f32) -> Self::F32;

    /// Reads all lanes.
    ///
    /// # Safety
    /// `src` must be readable for [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn load(self, src: *const f32) -> Self::F32;

    /// Reads the first `lanes` lanes and sets the others to zero.
    ///
    /// # Safety
    /// `lanes` must be at most [`Isa::LANES`], and `src` readable for `lanes` elements.
    unsafe fn load_partial(self, src: *const f32, lanes: usize) -> Self::F32;

    /// Writes all lanes.
    ///
    /// # Safety
    /// `dst` must be writable for [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn store(self, dst: *mut f32, vector: Self::F32);

    /// Writes the first `lanes` lanes and leaves the memory behind them alone.
    ///
    /// # Safety
    /// `lanes` must be at most [`Isa::LANES`], and `dst` writable for `lanes` elements.
    unsafe fn store_partial(self, dst: *mut f32, vector: Self::F32, lanes: usize);

    /// `a + b`.
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a - b`.
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a · b`.
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a · b + c`, rounded once where the set has a fused instruction, else twice.
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;

    /// The larger of each pair of lanes; which one is returned for a NaN differs between sets.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// The smaller of each pair of lanes; which one is returned for a NaN differs between sets.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// `a / b`.
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;

    /// Each lane rounded to a whole number, halves to the even one.
    fn round(self, a: Self::F32) -> Self::F32;

    /// 2 to the power of each lane: whole numbers from -126 to 127.
    fn pow2(self, exponent: Self::F32) -> Self::F32;

    /// Reads [`Isa::LANES`] bfloat16, the upper halves of `f32`.
    ///
    /// # Safety
    /// `src` must be readable for [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn load_bf16(self, src: *const u16) -> Self::F32;

    /// Asks for the cache line at `address`, which need not exist, to come to the second cache.
    fn prefetch(self, address: *const f32);

    /// The sum of all lanes.
    fn sum(self, vector: Self::F32) -> f32;

    /// A bit for each lane, that of the first lane lowest: whether `a > b`, which a NaN never is.
    fn above(self, a: Self::F32, b: Self::F32) -> u32;

    /// `x` in the lanes where `a > b`, which a NaN never is, and 0 in the others.
    fn where_above(self, a: Self::F32, b: Self::F32, x: Self::F32) -> Self::F32;

    /// Splits the sequence `a` then `b` into its even and its odd elements.
    fn deinterleave(self, a: Self::F32, b: Self::F32) -> (Self::F32, Self::F32);

    /// The first halves of `a` and of `b`, and their second halves.
    fn halves(self, a: Self::F32, b: Self::F32) -> (Self::F32, Self::F32);

    /// The same value in every lane.
    fn splat_i32(self, value: i32) -> Self::I32;

    /// Reads all lanes.
    ///
    /// # Safety
    /// `src` must be readable for [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn load_i32(self, src: *const i32) -> Self::I32;

    /// The nearest `f32` of each lane, of two the even one.
    fn to_f32(self, a: Self::I32) -> Self::F32;

    /// Reads two bytes for each lane and widens them to 16 bits.
    ///
    /// # Safety
    /// `src` must be readable for twice [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn load_i8_pairs(self, src: *const i8) -> Self::I32;

    /// `sums` and both products of the 16-bit halves of each lane, modulo 2^32.
    fn dot_i16_pairs(self, a: Self::I32, b: Self::I32, sums: Self::I32) -> Self::I32;

    /// Writes all lanes, whole numbers from 0 to 255, as 16-bit numbers.
    ///
    /// # Safety
    /// `dst` must be writable for [`Isa::LANES`] elements. No alignment is needed.
    unsafe fn store_i16(self, dst: *mut i16, a: Self::F32);
}

/// An instruction set chosen at run time.
///
/// # Example
/// ```
/// use engine::isa::AnyIsa;
///
/// println!("best: {}", AnyIsa::best().name());
/// for isa in AnyIsa::available() {
///     println!("{} with {} lanes", isa.name(), isa.lanes());
/// }
/// for name in AnyIsa::missing() {
///     println!("{name} is not in this CPU");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnyIsa {
    /// AVX-512, 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX2 with FMA, 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// NEON, 4 lanes.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// WebAssembly's `simd128`, 4 lanes.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm(Wasm),
    /// Plain Rust, on every CPU.
    Scalar(Scalar),
}

/// Runs `$body` with `$token` bound to the token inside an [`AnyIsa`].
macro_rules! with_token {
    ($any:expr, $token:ident => $body:expr) => {
        match $any {
            #[cfg(target_arch = "x86_64")]
            AnyIsa::Avx512($token) => $body,
            #[cfg(target_arch = "x86_64")]
            AnyIsa::Avx2($token) => $body,
            #[cfg(target_arch = "aarch64")]
            AnyIsa::Neon($token) => $body,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            AnyIsa::Wasm($token) => $body,
            AnyIsa::Scalar($token) => $body,
        }
    };
}

impl AnyIsa {
    /// Every set that kernels are written for on this architecture, best first.
    const NAMES: &'static [&'static str] = &[
        #[cfg(target_arch = "x86_64")]
        Avx512::NAME,
        #[cfg(target_arch = "x86_64")]
        Avx2::NAME,
        #[cfg(target_arch = "aarch64")]
        Neon::NAME,
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Wasm::NAME,
        Scalar::NAME,
    ];

    /// The sets that this CPU has, best first; the last one is always [`Scalar`].
    pub fn available() -> impl Iterator<Item = Self> {
        [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Self::Neon),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Wasm::detect().map(Self::Wasm),
            Some(Self::Scalar(Scalar)),
        ]
        .into_iter()
        .flatten()
    }

    /// The names of the sets that this CPU lacks, so that a test can say what it left out.
    pub fn missing() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().copied().filter(|name| Self::available().all(|isa| isa.name() != *name))
    }

    /// The best set that this CPU has.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Scalar(Scalar))
    }

    /// The set's name.
    pub fn name(self) -> &'static str {
        with_token!(self, token => name_of(token))
    }

    /// Number of `f32` in one vector.
    pub fn lanes(self) -> usize {
        with_token!(self, token => lanes_of(token))
    }

    /// Number of vector registers.
    pub fn registers(self) -> usize {
        with_token!(self, token => registers_of(token))
    }

    /// Factors in a word of products of bytes.
    pub(crate) fn byte_group(self) -> usize {
        with_token!(self, token => token.byte_group())
    }

    /// Whether this CPU multiplies bfloat16 in pairs (AVX512-BF16): weights of
    /// [`Precision::Bf16`](crate::plan::Precision::Bf16) are then not widened but multiplied with
    /// rounded inputs.
    pub fn has_halves(self) -> bool {
        with_token!(self, token => token.has_halves())
    }

    /// This set as on a CPU without VNNI, AVX512-BF16 and AMX, so that a test can run both ways.
    pub fn without_dots(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => Self::Avx512(token.without_dots()),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => Self::Avx2(token.without_dots()),
            other => other,
        }
    }

    /// Runs `op` on this set's products of bytes.
    pub(crate) fn run_bytes(self, op: impl DotOp) {
        with_token!(self, token => token.run_bytes(op))
    }

    /// Runs `op` on this set's products of bfloat16, where it has them.
    pub(crate) fn run_halves(self, op: impl DotOp) {
        with_token!(self, token => token.run_halves(op))
    }

    /// Runs `op` on this set.
    pub fn run<O: Op>(self, op: O) -> O::Output {
        with_token!(self, token => token.run(op))
    }
}

/// Runs `op` on the best instruction set that this CPU has.
pub fn dispatch<O: Op>(op: O) -> O::Output {
    AnyIsa::best().run(op)
}

fn name_of<I: Isa>(_token: I) -> &'static str {
    I::NAME
}

fn registers_of<I: Isa>(_token: I) -> usize {
    I::REGISTERS
}

fn lanes_of<I: Isa>(_token: I) -> usize {
    I::LANES
}

mod sealed {
    /// Keeps [`super::Isa`] to the tokens of this crate.
    pub trait Sealed {}
}
