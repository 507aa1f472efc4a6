//! Convolutions and norms as heads use them: dense or separable, one norm or one for each level.

use candle::{Module, ModuleT, Result, Tensor, bail};
use candle_nn::{BatchNorm, GroupNorm, Init, VarBuilder, batch_norm, group_norm};
use ghostnetv2::ops::{Conv2dParams, ConvAlgorithm, conv2d};

/// Epsilon of every norm: PyTorch's default.
const NORM_EPS: f64 = 1e-5;

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
        let params = Conv2dParams { stride, padding: (kernel / 2, kernel / 2), groups };
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
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = conv2d(x, &self.weight, self.params, ConvAlgorithm::default())?;
        match &self.bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
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
}

/// What stands behind a convolution.
#[derive(Clone, Debug)]
pub(crate) enum Norm {
    None,
    Group(GroupNorm),
    /// One for each level: their maps are of different kinds, though the convolution is the same.
    Batch(Vec<BatchNorm>),
}

impl Norm {
    pub(crate) fn group(groups: usize, channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self::Group(group_norm(groups, channels, NORM_EPS, vb)?))
    }

    /// One batch-norm at `vb` itself.
    pub(crate) fn batch(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self::Batch(vec![batch_norm(channels, NORM_EPS, vb)?]))
    }

    /// Batch-norms at `vb.0`, `vb.1` and so on.
    pub(crate) fn batch_for_levels(
        levels: usize,
        channels: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let norms = (0..levels).map(|level| batch_norm(channels, NORM_EPS, vb.pp(level)));
        Ok(Self::Batch(norms.collect::<Result<_>>()?))
    }

    pub(crate) fn forward_t(&self, x: &Tensor, level: usize, train: bool) -> Result<Tensor> {
        match self {
            Self::None => Ok(x.clone()),
            Self::Group(norm) => norm.forward(x),
            Self::Batch(norms) => {
                let Some(norm) = norms.get(level) else {
                    bail!("level {level} of a head with batch-norms for {} levels", norms.len())
                };
                let (b, _, h, w) = x.dims4()?;
                // The variance of one value is none, and would stay in the running statistics.
                if train && b * h * w < 2 {
                    bail!(
                        "batch-norm of {:?} in training: expected at least 2 values for each \
                         channel; use larger pictures or a larger batch",
                        x.dims()
                    )
                }
                norm.forward_t(x, train)
            }
        }
    }
}
