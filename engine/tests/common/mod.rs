//! Inputs and comparisons that the tests of the depthwise kernels share.

use engine::{
    ShapeError,
    isa::AnyIsa,
    kernels::{
        depthwise::{DepthwiseShape, forward_on, grad_input_on, grad_weight_on},
        reference,
    },
};

/// Elements around every slice that a kernel sees.
const GUARD: usize = 40;

/// A slice between guards of NaN: what is read from there shows in the result, and what is written
/// there shows in the guards.
pub(crate) struct Guarded(Vec<f32>);

impl Guarded {
    pub(crate) fn new(values: &[f32]) -> Self {
        let guard = [f32::NAN; GUARD];
        Self([&guard, values, &guard].concat())
    }

    /// An output that holds a value which no kernel would write.
    pub(crate) fn output(len: usize) -> Self {
        Self::new(&vec![f32::NAN; len])
    }

    pub(crate) fn slice(&self) -> &[f32] {
        &self.0[GUARD..self.0.len() - GUARD]
    }

    pub(crate) fn slice_mut(&mut self) -> &mut [f32] {
        let end = self.0.len() - GUARD;
        &mut self.0[GUARD..end]
    }

    /// The slice, after a look at the guards.
    pub(crate) fn into_checked(self, what: &str) -> Vec<f32> {
        let (before, rest) = self.0.split_at(GUARD);
        let (values, after) = rest.split_at(rest.len() - GUARD);
        assert!(before.iter().chain(after).all(|value| value.is_nan()), "{what} wrote outside");
        values.to_vec()
    }
}

/// `len` whole numbers from -4 to 4, different for each `seed`.
///
/// Sums of their products are exact in `f32`, so that kernels must agree with the oracle to the
/// bit, in whatever order they add.
pub(crate) fn whole_numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) % 9) as f32 - 4.0
        })
        .collect()
}

/// x, w, bias and the gradient of y for a shape.
pub(crate) struct Inputs {
    pub(crate) x: Vec<f32>,
    pub(crate) w: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) gy: Vec<f32>,
}

impl Inputs {
    pub(crate) fn whole(shape: &DepthwiseShape) -> Self {
        Self {
            x: whole_numbers(shape.input_len(), 1),
            w: whole_numbers(shape.weight_len(), 2),
            bias: whole_numbers(shape.channels(), 3),
            gy: whole_numbers(shape.output_len(), 4),
        }
    }
}

/// The result of every kernel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Results {
    pub(crate) y: Vec<f32>,
    pub(crate) y_with_bias: Vec<f32>,
    pub(crate) gx: Vec<f32>,
    pub(crate) gw: Vec<f32>,
}

impl Results {
    pub(crate) fn on(
        isa: AnyIsa,
        shape: &DepthwiseShape,
        inputs: &Inputs,
    ) -> Result<Self, ShapeError> {
        let [x, w, bias, gy] =
            [&inputs.x, &inputs.w, &inputs.bias, &inputs.gy].map(|values| Guarded::new(values));
        let mut y = Guarded::output(shape.output_len());
        forward_on(isa, shape, x.slice(), w.slice(), None, y.slice_mut())?;
        let mut biased = Guarded::output(shape.output_len());
        forward_on(isa, shape, x.slice(), w.slice(), Some(bias.slice()), biased.slice_mut())?;
        let mut gx = Guarded::output(shape.input_len());
        grad_input_on(isa, shape, w.slice(), gy.slice(), gx.slice_mut())?;
        let mut gw = Guarded::output(shape.weight_len());
        grad_weight_on(isa, shape, x.slice(), gy.slice(), gw.slice_mut())?;
        Ok(Self {
            y: y.into_checked("forward"),
            y_with_bias: biased.into_checked("forward with bias"),
            gx: gx.into_checked("grad_input"),
            gw: gw.into_checked("grad_weight"),
        })
    }

    pub(crate) fn reference(shape: &DepthwiseShape, inputs: &Inputs) -> Self {
        let Inputs { x, w, bias, gy } = inputs;
        Self {
            y: reference::depthwise_forward(shape, x, w, None),
            y_with_bias: reference::depthwise_forward(shape, x, w, Some(bias)),
            gx: reference::depthwise_grad_input(shape, w, gy),
            gw: reference::depthwise_grad_weight(shape, x, gy),
        }
    }
}
