//! What the neck and the head are made of: convolutions with batch-norm and a leaky ReLU.

use crate::layers::{Block, Conv, ConvSpec, Start};
use crate::norms::Norm;
use candle::{Device, Error, Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{Activation, NetworkBuilder, Value, Window};
use ghostnetv2::lowering::Folded;

/// What is left of values below zero.
const SLOPE: f64 = 0.1;

/// A convolution, a batch-norm and a leaky ReLU.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    block: Block,
    channels: usize,
}

impl Unit {
    /// With weights under `conv` and `bn`.
    pub(super) fn new(
        in_channels: usize,
        channels: usize,
        kernel: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let spec = ConvSpec {
            in_channels,
            out_channels: channels,
            kernel,
            stride: 1,
            bias: false,
            start: Start::Uniform,
        };
        let conv = Conv::Dense(spec.conv(vb.pp("conv"))?);
        Ok(Self { block: Block { conv, norm: Norm::batch(channels, vb.pp("bn"))? }, channels })
    }

    pub(super) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.block.forward_t(x, 0, train)?;
        (y.relu()? * (1.0 - SLOPE))? + (y * SLOPE)?
    }

    /// Adds this to a plan, which knows no leaky ReLU: it is the sum of an ordinary one and the
    /// values themselves, both scaled.
    pub(super) fn lower(&self, net: &mut NetworkBuilder, x: Value) -> Result<Value> {
        let y = self.block.lower_one(net, x, Activation::Identity)?;
        let scaled = |net: &mut NetworkBuilder, scale: f64, activation| {
            let weight = Tensor::full(scale as f32, (self.channels, 1, 1, 1), &Device::Cpu)?;
            let weight = Folded::new(&weight, None)?;
            let window = Window::same((1, 1), 1);
            net.depthwise(y, window, weight.get(), activation).map_err(Error::wrap)
        };
        let above = scaled(net, 1.0 - SLOPE, Activation::Relu)?;
        let all = scaled(net, SLOPE, Activation::Identity)?;
        net.activation(above, Some(all), Activation::Identity).map_err(Error::wrap)
    }
}

/// Five units in a row: 1x1 to the neck's width, 3x3 to twice that, and so on; ends with a 1x1.
#[derive(Clone, Debug)]
pub(super) struct Stack(Vec<Unit>);

impl Stack {
    /// With weights under `conv1` to `conv5`.
    pub(super) fn new(in_channels: usize, channels: usize, vb: &VarBuilder) -> Result<Self> {
        let unit = |i: usize| {
            let vb = vb.pp(format!("conv{i}"));
            match i {
                1 => Unit::new(in_channels, channels, 1, vb),
                2 | 4 => Unit::new(channels, 2 * channels, 3, vb),
                _ => Unit::new(2 * channels, channels, 1, vb),
            }
        };
        Ok(Self((1..=5).map(unit).collect::<Result<_>>()?))
    }

    pub(super) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |y, unit| unit.forward_t(&y, train))
    }

    pub(super) fn lower(&self, net: &mut NetworkBuilder, x: Value) -> Result<Value> {
        self.0.iter().try_fold(x, |y, unit| unit.lower(net, y))
    }
}
