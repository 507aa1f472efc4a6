//! Convolution and batch-norm layers, as every block here uses them.

use crate::ops::{Conv2dParams, ConvAlgorithm, conv2d};
use candle::{CpuStorage, DType, Device, Result, Storage, Tensor};
use candle_nn::{BatchNorm, VarBuilder, batch_norm};
use engine::plan::Window;
use std::ops::{Deref, Range};

/// Epsilon of every batch-norm (PyTorch's default, in the checkpoints too).
pub(crate) const BN_EPS: f64 = 1e-5;

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
    pub(crate) depthwise: bool,
    pub(crate) algorithm: ConvAlgorithm,
}

impl ConvSpec {
    pub(crate) fn pointwise(
        in_channels: usize,
        out_channels: usize,
        algorithm: ConvAlgorithm,
    ) -> Self {
        let kernel = (1, 1);
        Self { in_channels, out_channels, kernel, stride: 1, depthwise: false, algorithm }
    }

    pub(crate) fn depthwise(
        channels: usize,
        kernel: (usize, usize),
        stride: usize,
        algorithm: ConvAlgorithm,
    ) -> Self {
        let (in_channels, out_channels) = (channels, channels);
        Self { in_channels, out_channels, kernel, stride, depthwise: true, algorithm }
    }

    /// For a plan.
    pub(crate) fn window(self) -> Window {
        Window::same(self.kernel, self.stride)
    }

    /// A convolution whose `weight` lies directly under `vb`; padding keeps the size at stride 1.
    pub(crate) fn conv(self, vb: VarBuilder) -> Result<Conv2d> {
        let groups = if self.depthwise { self.in_channels } else { 1 };
        let (kh, kw) = self.kernel;
        let weight = vb.get((self.out_channels, self.in_channels / groups, kh, kw), "weight")?;
        Ok(self.with_weights(weight, None))
    }

    /// The same with a `bias`.
    pub(crate) fn conv_with_bias(self, vb: VarBuilder) -> Result<Conv2d> {
        let bias = vb.get(self.out_channels, "bias")?;
        Ok(Conv2d { bias: Some(bias), ..self.conv(vb)? })
    }

    /// A convolution with weights that exist already.
    pub(crate) fn with_weights(self, weight: Tensor, bias: Option<Tensor>) -> Conv2d {
        let (kh, kw) = self.kernel;
        let params = Conv2dParams {
            stride: self.stride,
            padding: (kh / 2, kw / 2),
            groups: if self.depthwise { self.in_channels } else { 1 },
        };
        Conv2d { weight, bias, params, algorithm: self.algorithm }
    }

    /// A convolution at `conv` followed by a batch-norm at `norm`.
    pub(crate) fn conv_bn(self, conv: VarBuilder, norm: VarBuilder) -> Result<ConvBn> {
        Ok(ConvBn { conv: self.conv(conv)?, norm: BatchNorm2d::new(self.out_channels, norm)? })
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
        let Conv2dParams { stride, padding, .. } = self.params;
        Ok(Window { kernel: (kh, kw), stride, padding, dilation: 1 })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = conv2d(x, &self.weight, self.params, self.algorithm)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
    }
}

/// Batch-norm over the channels of `[B, C, H, W]`.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm2d(BatchNorm);

impl BatchNorm2d {
    pub(crate) fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(batch_norm(channels, BN_EPS, vb)?))
    }

    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if train {
            return self.0.forward_train(x);
        }
        let (scale, shift) = self.affine()?;
        let as_map = |t: Tensor| t.reshape((1, (), 1, 1));
        x.broadcast_mul(&as_map(scale)?)?.broadcast_add(&as_map(shift)?)
    }

    /// Evaluation as `x * scale + shift`, each `[C]`: half the passes over the map, and what
    /// fusing into a convolution needs.
    pub(crate) fn affine(&self) -> Result<(Tensor, Tensor)> {
        let mean = self.0.running_mean().detach();
        let std = (self.0.running_var().detach() + self.0.eps())?.sqrt()?;
        let Some((weight, bias)) = self.0.weight_and_bias() else {
            candle::bail!("batch-norm without weight and bias")
        };
        let scale = (weight / std)?;
        let shift = (bias - (mean * &scale)?)?;
        Ok((scale, shift))
    }

    /// For a plan: [`BatchNorm2d::affine`] as a filter of one tap for each channel.
    pub(crate) fn folded(&self) -> Result<Folded<'static>> {
        let Some((weight, bias)) = self.0.weight_and_bias() else {
            candle::bail!("batch-norm without weight and bias")
        };
        let (weight, bias) = (Values::of(weight)?, Values::of(bias)?);
        let (mean, variance) = (self.0.running_mean(), self.0.running_var());
        let (mean, variance) = (Values::of(mean)?, Values::of(variance)?);
        let epsilon = self.0.eps() as f32;
        let scale = |(weight, variance): (&f32, &f32)| weight / (variance + epsilon).sqrt();
        let scale: Vec<f32> = weight.get().iter().zip(variance.get()).map(scale).collect();
        let shift = |((bias, mean), scale): ((&f32, &f32), &f32)| bias - mean * scale;
        let shift = bias.get().iter().zip(mean.get()).zip(&scale).map(shift).collect();
        Ok(Folded { weight: Values::Owned(scale), bias: Values::Owned(shift) })
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

    /// For a plan.
    pub(crate) fn folded(&self) -> Result<Folded<'static>> {
        Ok(self.conv.folded()?.then(&self.norm.folded()?))
    }

    /// Weight `[O, I / groups, KH, KW]` and bias `[O]` of the one convolution that equals this
    /// in evaluation.
    pub(crate) fn fused(&self) -> Result<(Tensor, Tensor)> {
        let (scale, shift) = self.norm.affine()?;
        Ok((self.conv.weight.broadcast_mul(&scale.reshape(((), 1, 1, 1))?)?, shift))
    }
}

/// Weight and bias of a convolution without batch-norm, as plans take them.
pub(crate) struct Folded<'a> {
    weight: Values<'a>,
    bias: Values<'a>,
}

impl<'a> Folded<'a> {
    /// `[O, …]` and `[O]`, zeros where there is none.
    pub(crate) fn new(weight: &'a Tensor, bias: Option<&'a Tensor>) -> Result<Self> {
        let bias = match bias {
            Some(bias) => Values::of(bias)?,
            None => Values::Owned(vec![0.0; weight.dim(0)?]),
        };
        Ok(Self { weight: Values::of(weight)?, bias })
    }

    /// This convolution followed by a batch-norm.
    pub(crate) fn then(&self, norm: &Folded) -> Folded<'static> {
        let ((weight, bias), (scale, shift)) = (self.get(), norm.get());
        let filters = weight.chunks_exact((weight.len() / bias.len().max(1)).max(1));
        let mut product = Vec::with_capacity(weight.len());
        for (filter, scale) in filters.zip(scale) {
            product.extend(filter.iter().map(|weight| weight * scale));
        }
        let moved = |((bias, scale), shift): ((&f32, &f32), &f32)| bias * scale + shift;
        let bias = bias.iter().zip(scale).zip(shift).map(moved).collect();
        Folded { weight: Values::Owned(product), bias: Values::Owned(bias) }
    }

    /// The same without a hold on tensors.
    pub(crate) fn into_owned(self) -> Folded<'static> {
        let owned = |values: Values| Values::Owned(values.get().to_vec());
        Folded { weight: owned(self.weight), bias: owned(self.bias) }
    }

    pub(crate) fn get(&self) -> (&[f32], &[f32]) {
        (self.weight.get(), self.bias.get())
    }
}

/// Numbers in order: a tensor's own memory, where that is possible.
enum Values<'a> {
    Borrowed(Box<dyn Deref<Target = Storage> + 'a>, Range<usize>),
    Owned(Vec<f32>),
}

impl<'a> Values<'a> {
    fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(_)), Some((start, end))) => {
                Ok(Self::Borrowed(Box::new(storage), start..end))
            }
            _ => {
                let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
                Ok(Self::Owned(tensor.flatten_all()?.to_vec1()?))
            }
        }
    }

    fn get(&self) -> &[f32] {
        match self {
            Self::Owned(values) => values,
            Self::Borrowed(storage, range) => match &***storage {
                Storage::Cpu(CpuStorage::F32(values)) => &values[range.clone()],
                _ => &[],
            },
        }
    }
}
