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
                isa.div(one, isa.add(one, exp_minus(isa, x)))
            }
            Self::HardSigmoid => {
                let x = isa.max(isa.add(x, isa.splat(3.0)), isa.splat(0.0));
                isa.mul(isa.min(x, isa.splat(6.0)), isa.splat(1.0 / 6.0))
            }
        }
    }
}

/// `exp(-x)`, clamped to what keeps the exponent in range.
///
/// # Source
/// The usual split into `2^n · exp(r)` with `|r| <= ln(2) / 2`. For the sigmoid, which is what this
/// is for, `ln(2)` needs no second part: where `n` is large, it is flat. The polynomial is the one
/// of degree 5 with the least relative error there, 1.1e-7, that begins with `1 + r`.
#[inline(always)]
fn exp_minus<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    use std::f32::consts::{LN_2, LOG2_E};
    // In `-r`, so that no sign has to be changed.
    const POLYNOMIAL: [f32; 6] =
        [-8.312_495e-3, 4.189_033e-2, -0.166_671_16, 0.499_992_3, -1.0, 1.0];
    let x = isa.max(isa.min(x, isa.splat(87.0)), isa.splat(-87.0));
    let n = isa.round(isa.mul(x, isa.splat(-LOG2_E)));
    let minus_r = isa.fma(n, isa.splat(LN_2), x);
    let mut sum = isa.splat(POLYNOMIAL[0]);
    for coefficient in &POLYNOMIAL[1..] {
        sum = isa.fma(sum, minus_r, isa.splat(*coefficient));
    }
    isa.mul(sum, isa.pow2(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{AnyIsa, MAX_LANES, Op};

    struct All<'a>(Activation, &'a mut [f32]);

    impl Op for All<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            for values in self.1.chunks_exact_mut(MAX_LANES) {
                for lanes in values.chunks_exact_mut(I::LANES) {
                    // SAFETY: these are as many elements as a vector has.
                    unsafe {
                        let x = isa.load(lanes.as_ptr());
                        isa.store(lanes.as_mut_ptr(), self.0.apply(isa, x));
                    }
                }
            }
        }
    }

    #[test]
    fn sigmoids_are_as_exact_as_they_say() {
        let x: Vec<f32> = (-1 << 17..1 << 17).map(|i| i as f32 / 1024.0).collect();
        for isa in AnyIsa::available() {
            let mut y = x.clone();
            isa.run(All(Activation::Sigmoid, &mut y));
            for (x, y) in x.iter().zip(y) {
                let exact = 1.0 / (1.0 + (-f64::from(*x)).exp());
                assert!((f64::from(y) - exact).abs() <= 2e-7, "{}: {y} for {x}", isa.name());
            }
        }
    }
}
