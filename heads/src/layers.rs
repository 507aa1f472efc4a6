//! Convolutions as heads use them: dense or separable, with what stands behind them.

use crate::norms::Norm;
use candle::{Error, Result, Tensor, bail};
use candle_nn::{Init, VarBuilder};
use engine::plan::{Activation, NetworkBuilder, Value, Window};
use engine::training;
use ghostnetv2::BatchNorm2d;
use ghostnetv2::lowering::Folded;
use ghostnetv2::ops::{Conv2dParams, ConvAlgorithm, conv2d};
use ghostnetv2::training::TrainingBuilder;

/// How 3x3 convolutions are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvKind {
    /// One convolution over all channels.
    Dense,
    /// A depthwise convolution, then a pointwise one: a ninth of the work, and less.
    Separable,
}

/// What a convolution looks like, apart from its weights; padding keeps the size at stride 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvSpec {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) bias: bool,
    pub(crate) start: Start,
}

/// What weights are before training.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Kaiming's uniform distribution with `a = 1`: outputs vary as inputs do.
    Uniform,
    /// A normal distribution of deviation 0.01, and this bias.
    Small(f64),
}

impl ConvSpec {
    pub(crate) fn conv(self, vb: VarBuilder) -> Result<Conv2d> {
        self.grouped(1, vb)
    }

    fn grouped(self, groups: usize, vb: VarBuilder) -> Result<Conv2d> {
        let Self { in_channels, out_channels, kernel, stride, .. } = self;
        let shape = (out_channels, in_channels / groups, kernel, kernel);
        let (start, start_bias) = match self.start {
            Start::Uniform => {
                let bound = (3.0 / (shape.1 * kernel * kernel).max(1) as f64).sqrt();
                (Init::Uniform { lo: -bound, up: bound }, 0.0)
            }
            Start::Small(bias) => (Init::Randn { mean: 0.0, stdev: 0.01 }, bias),
        };
        let weight = vb.get_with_hints(shape, "weight", start)?;
        let bias = match self.bias {
            true => Some(vb.get_with_hints(out_channels, "bias", Init::Const(start_bias))?),
            false => None,
        };
        let padding = (kernel / 2, kernel / 2);
        let params = Conv2dParams { stride, padding, dilation: 1, groups };
        Ok(Conv2d { weight, bias, params })
    }

    /// The same of a kind. A separable one has its parts at `depthwise` and `pointwise`, and the
    /// bias belongs to the latter.
    pub(crate) fn of_kind(self, kind: ConvKind, vb: VarBuilder) -> Result<Conv> {
        if kind == ConvKind::Dense {
            return Ok(Conv::Dense(self.conv(vb)?));
        }
        let out_channels = self.in_channels;
        let depthwise = Self { out_channels, bias: false, start: Start::Uniform, ..self };
        let pointwise = Self { kernel: 1, stride: 1, ..self };
        Ok(Conv::Separable {
            depthwise: depthwise.grouped(self.in_channels, vb.pp("depthwise"))?,
            pointwise: pointwise.conv(vb.pp("pointwise"))?,
        })
    }
}

/// A convolution with an optional bias.
#[derive(Clone, Debug)]
pub(crate) struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    params: Conv2dParams,
}

impl Conv2d {
    /// The same with taps so many pixels apart, and padding that keeps the size.
    pub(crate) fn dilated(self, dilation: usize) -> Self {
        let (vertical, horizontal) = self.params.padding;
        let padding = (vertical * dilation, horizontal * dilation);
        Self { params: Conv2dParams { padding, dilation, ..self.params }, ..self }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = conv2d(x, &self.weight, self.params, ConvAlgorithm::default())?;
        match &self.bias {
            Some(bias) => y.broadcast_add(&bias.to_dtype(y.dtype())?.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
    }

    /// Adds this to a network in training.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
    ) -> Result<training::Value> {
        let depthwise = self.params.groups > 1;
        net.conv(x, self.window()?, depthwise, &self.weight, self.bias.as_ref())
    }

    fn window(&self) -> Result<Window> {
        let (_, _, kh, kw) = self.weight.dims4()?;
        let Conv2dParams { stride, padding, dilation, .. } = self.params;
        Ok(Window { kernel: (kh, kw), stride, padding, dilation })
    }

    /// Adds this to a plan, for a map of each level: with the weights of the first for all, or with
    /// the norms of the levels folded in.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        maps: &[Value],
        norms: &[BatchNorm2d],
        activation: Activation,
    ) -> Result<Vec<Value>> {
        if norms.is_empty() {
            return on_each(net, maps, |net, x| self.lower_one(net, x, None, activation));
        }
        if norms.len() < maps.len() {
            bail!("{} levels of a head with batch-norms for {}", maps.len(), norms.len())
        }
        let levels = maps.iter().zip(norms);
        levels.map(|(&x, norm)| self.lower_one(net, x, Some(norm), activation)).collect()
    }

    fn lower_one(
        &self,
        net: &mut NetworkBuilder,
        x: Value,
        norm: Option<&BatchNorm2d>,
        activation: Activation,
    ) -> Result<Value> {
        let mut folded = Folded::new(&self.weight, self.bias.as_ref())?;
        if let Some(norm) = norm {
            folded = folded.then(&Folded::of_batch_norm(norm)?);
        }
        let window = self.window()?;
        let y = match self.params.groups {
            1 if window == Window::same((1, 1), 1) => {
                net.pointwise(x, folded.get(), activation, None)
            }
            1 => net.conv(x, window, folded.get(), activation),
            _ => net.depthwise(x, window, folded.get(), activation),
        };
        y.map_err(Error::wrap)
    }
}

/// A convolution of either kind.
#[derive(Clone, Debug)]
pub(crate) enum Conv {
    Dense(Conv2d),
    Separable { depthwise: Conv2d, pointwise: Conv2d },
}

impl Conv {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(conv) => conv.forward(x),
            Self::Separable { depthwise, pointwise } => pointwise.forward(&depthwise.forward(x)?),
        }
    }

    /// Adds this to a network in training.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
    ) -> Result<training::Value> {
        match self {
            Self::Dense(conv) => conv.lower_t(net, x),
            Self::Separable { depthwise, pointwise } => {
                let y = depthwise.lower_t(net, x)?;
                pointwise.lower_t(net, y)
            }
        }
    }

    /// As [`Conv2d::lower`]; norms stand behind both parts.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        maps: &[Value],
        norms: &[BatchNorm2d],
        activation: Activation,
    ) -> Result<Vec<Value>> {
        match self {
            Self::Dense(conv) => conv.lower(net, maps, norms, activation),
            Self::Separable { depthwise, pointwise } => {
                let maps = depthwise.lower(net, maps, &[], Activation::Identity)?;
                pointwise.lower(net, &maps, norms, activation)
            }
        }
    }
}

/// A convolution and what stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) conv: Conv,
    pub(crate) norm: Norm,
}

impl Block {
    pub(crate) fn forward_t(&self, x: &Tensor, level: usize, train: bool) -> Result<Tensor> {
        self.norm.forward_t(&self.conv.forward(x)?, level, train)
    }

    /// Adds this to a network in training, for a map of one level, with a ReLU where `relu`.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
        level: usize,
        relu: bool,
    ) -> Result<training::Value> {
        let y = self.conv.lower_t(net, x)?;
        self.norm.lower_t(net, y, level, relu)
    }

    /// Adds this and an activation to a plan, for a map of each level.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        maps: &[Value],
        activation: Activation,
    ) -> Result<Vec<Value>> {
        match &self.norm {
            Norm::None => self.conv.lower(net, maps, &[], activation),
            Norm::Batch(norms) => self.conv.lower(net, maps, norms, activation),
            Norm::Group(norm) => {
                let maps = self.conv.lower(net, maps, &[], Activation::Identity)?;
                on_each(net, &maps, |net, x| norm.lower(net, x, activation))
            }
        }
    }

    /// Adds this and an activation to a plan, for one map.
    pub(crate) fn lower_one(
        &self,
        net: &mut NetworkBuilder,
        x: Value,
        activation: Activation,
    ) -> Result<Value> {
        only(&self.lower(net, &[x], activation)?)
    }
}

/// Drops a share of the channels, each as a whole: neighbouring pixels would tell what is missing.
pub(crate) fn drop_channels(x: &Tensor, share: f64) -> Result<Tensor> {
    if share == 0.0 {
        return Ok(x.clone());
    }
    let (b, c, _, _) = x.dims4()?;
    let kept = Tensor::rand(0f32, 1.0, (b, c, 1, 1), x.device())?.ge(share)?;
    x.broadcast_mul(&(kept.to_dtype(x.dtype())? / (1.0 - share))?)
}

/// Adds an operation to a plan: `first` does it on the first of the maps, and it is repeated with
/// the same weights on the others.
fn on_each(
    net: &mut NetworkBuilder,
    maps: &[Value],
    first: impl FnOnce(&mut NetworkBuilder, Value) -> Result<Value>,
) -> Result<Vec<Value>> {
    let Some((&map, others)) = maps.split_first() else { return Ok(Vec::new()) };
    let first = first(net, map)?;
    let mut made = vec![first];
    for &map in others {
        made.push(net.repeat(first, map).map_err(Error::wrap)?);
    }
    Ok(made)
}

/// What was made of one map.
pub(crate) fn only<V: Copy>(made: &[V]) -> Result<V> {
    match *made {
        [value] => Ok(value),
        _ => bail!("{} values of a network were made of one", made.len()),
    }
}
