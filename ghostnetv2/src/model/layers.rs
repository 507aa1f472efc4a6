//! Convolution and batch-norm layers, as every block here uses them.

use crate::batch_norm::BatchNorm2d;
use crate::lowering::Folded;
use crate::ops::{Conv2dParams, ConvAlgorithm, conv2d};
use crate::training::TrainingBuilder;
use candle::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use engine::plan::Window;
use engine::training::Value;

/// Epsilon of every batch-norm (PyTorch's default, in the checkpoints too).
const BN_EPS: f64 = 1e-5;

pub(crate) fn batch_norm(channels: usize, vb: VarBuilder) -> Result<BatchNorm2d> {
    BatchNorm2d::new(channels, BN_EPS, vb)
}

/// A convolution with an optional bias.
#[derive(Clone, Debug)]
pub(crate) struct Conv2d {
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
    params: Conv2dParams,
    algorithm: ConvAlgorithm,
}

/// What a convolution looks like, apart from its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvSpec {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) depthwise: bool,
    pub(crate) algorithm: ConvAlgorithm,
}

impl ConvSpec {
    pub(crate) fn pointwise(
        in_channels: usize,
        out_channels: usize,
        algorithm: ConvAlgorithm,
    ) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel: (1, 1),
            stride: 1,
            dilation: 1,
            depthwise: false,
            algorithm,
        }
    }

    pub(crate) fn depthwise(
        channels: usize,
        kernel: (usize, usize),
        stride: usize,
        algorithm: ConvAlgorithm,
    ) -> Self {
        let (in_channels, out_channels) = (channels, channels);
        let dilation = 1;
        Self { in_channels, out_channels, kernel, stride, dilation, depthwise: true, algorithm }
    }

    /// The same with taps that are so many pixels apart.
    pub(crate) fn dilated(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// For a plan.
    pub(crate) fn window(self) -> Window {
        Window { stride: self.stride, ..Window::dilated(self.kernel, self.dilation) }
    }

    /// A convolution whose `weight` lies directly under `vb`; padding keeps the size at stride 1.
    pub(crate) fn conv(self, vb: VarBuilder) -> Result<Conv2d> {
        let groups = if self.depthwise { self.in_channels } else { 1 };
        let (kh, kw) = self.kernel;
        let shape = (self.out_channels, self.in_channels / groups, kh, kw);
        let weight = vb.get_with_hints(shape, "weight", self.start())?;
        Ok(self.with_weights(weight, None))
    }

    /// What weights and biases are before training: PyTorch's, uniform within the inverse root of
    /// the number of inputs.
    fn start(self) -> Init {
        let channels = if self.depthwise { 1 } else { self.in_channels };
        let inputs = channels * self.kernel.0 * self.kernel.1;
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        Init::Uniform { lo: -bound, up: bound }
    }

    /// The same with a `bias`.
    pub(crate) fn conv_with_bias(self, vb: VarBuilder) -> Result<Conv2d> {
        let bias = vb.get_with_hints(self.out_channels, "bias", self.start())?;
        Ok(Conv2d { bias: Some(bias), ..self.conv(vb)? })
    }

    /// A convolution with weights that exist already.
    pub(crate) fn with_weights(self, weight: Tensor, bias: Option<Tensor>) -> Conv2d {
        let Window { stride, padding, dilation, .. } = self.window();
        let params = Conv2dParams {
            stride,
            padding,
            dilation,
            groups: if self.depthwise { self.in_channels } else { 1 },
        };
        Conv2d { weight, bias, params, algorithm: self.algorithm }
    }

    /// A convolution at `conv` followed by a batch-norm at `norm`.
    pub(crate) fn conv_bn(self, conv: VarBuilder, norm: VarBuilder) -> Result<ConvBn> {
        Ok(ConvBn { conv: self.conv(conv)?, norm: batch_norm(self.out_channels, norm)? })
    }
}

impl Conv2d {
    /// For a plan.
    pub(crate) fn folded(&self) -> Result<Folded<'_>> {
        Folded::new(&self.weight, self.bias.as_ref())
    }

    /// For a plan.
    pub(crate) fn window(&self) -> Result<Window> {
        let (_, _, kh, kw) = self.weight.dims4()?;
        let Conv2dParams { stride, padding, dilation, .. } = self.params;
        Ok(Window { kernel: (kh, kw), stride, padding, dilation })
    }

    /// For a network in training.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let depthwise = self.params.groups > 1;
        net.conv(x, self.window()?, depthwise, &self.weight, self.bias.as_ref())
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = conv2d(x, &self.weight, self.params, self.algorithm)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
    }
}

/// A convolution followed by batch-norm.
#[derive(Clone, Debug)]
pub(crate) struct ConvBn {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm2d,
}

impl ConvBn {
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.norm.forward_t(&self.conv.forward(x)?, train)
    }

    /// For a network in training: with a ReLU behind it where `relu`.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value, relu: bool) -> Result<Value> {
        let y = self.conv.lower_t(net, x)?;
        self.norm.lower_t(net, y, relu)
    }

    /// For a plan.
    pub(crate) fn folded(&self) -> Result<Folded<'static>> {
        Ok(self.conv.folded()?.then(&Folded::of_batch_norm(&self.norm)?))
    }

    /// Weight `[O, I / groups, KH, KW]` and bias `[O]` of the one convolution that equals this
    /// in evaluation.
    pub(crate) fn fused(&self) -> Result<(Tensor, Tensor)> {
        let (scale, shift) = self.norm.affine()?;
        Ok((self.conv.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?, shift))
    }
}
