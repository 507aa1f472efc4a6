//! Activation functions, applied to a vector before it is stored.

use crate::isa::Isa;

/// What happens to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`, within 2e-7 of the exact value.
    Sigmoid,
    /// `clamp(x + 3, 0, 6) / 6`.
    HardSigmoid,
}

impl Activation {
    /// The least value, where cutting sums off there is all that the activation does.
    #[inline(always)]
    pub(crate) fn least(self) -> Option<f32> {
        match self {
            Self::Identity => Some(f32::NEG_INFINITY),
            Self::Relu => Some(0.0),
            Self::Sigmoid | Self::HardSigmoid => None,
        }
    }

    /// The activation of every lane.
    #[inline(always)]
    pub(crate) fn apply<I: Isa>(self, isa: I, x: I::F32) -> I::F32 {
        match self {
            Self::Identity => x,
            Self::Relu => isa.max(x, isa.splat(0.0)),
            Self::Sigmoid => {
                let one = isa.splat(1.0);
                isa.div(one, isa.add(one, exp(isa, isa.sub(isa.splat(0.0), x))))
            }
            Self::HardSigmoid => {
                let x = isa.max(isa.add(x, isa.splat(3.0)), isa.splat(0.0));
                isa.mul(isa.min(x, isa.splat(6.0)), isa.splat(1.0 / 6.0))
            }
        }
    }
}

/// `exp(x)`, clamped to what keeps the exponent in range.
///
/// # Source
/// The usual split into `2^n · exp(r)` with `|r| <= ln(2) / 2`, with Cephes' polynomial.
#[inline(always)]
fn exp<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    // ln(2) in two parts: the first has few enough bits that `n · first` is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] =
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = isa.max(isa.min(x, isa.splat(87.0)), isa.splat(-87.0));
    let n = isa.round(isa.mul(x, isa.splat(std::f32::consts::LOG2_E)));
    let r = isa.fma(n, isa.splat(-LN2_HIGH), x);
    let r = isa.fma(n, isa.splat(-LN2_LOW), r);
    let mut sum = isa.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        sum = isa.fma(sum, r, isa.splat(*coefficient));
    }
    let exp_r = isa.fma(sum, isa.mul(r, r), isa.add(r, isa.splat(1.0)));
    isa.mul(exp_r, isa.pow2(n))
}
