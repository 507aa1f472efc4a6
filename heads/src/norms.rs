//! Norms as heads use them: one, one for each level, or none.

use candle::{Error, Module, Result, Tensor, bail};
use candle_nn::{GroupNorm, Init, VarBuilder};
use engine::plan::{Activation, NetworkBuilder, Value};
use engine::training;
use ghostnetv2::BatchNorm2d;
use ghostnetv2::lowering::Folded;
use ghostnetv2::training::TrainingBuilder;

/// Epsilon of every norm: PyTorch's default.
const NORM_EPS: f64 = 1e-5;

/// What stands behind a convolution.
#[derive(Clone, Debug)]
pub(crate) enum Norm {
    None,
    Group(Grouped),
    /// One for each level: their maps are of different kinds, though the convolution is the same.
    Batch(Vec<BatchNorm2d>),
}

impl Norm {
    pub(crate) fn group(groups: usize, channels: usize, vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints(channels, "weight", Init::Const(1.0))?;
        let bias = vb.get_with_hints(channels, "bias", Init::Const(0.0))?;
        let norm = GroupNorm::new(weight.clone(), bias.clone(), channels, groups, NORM_EPS)?;
        Ok(Self::Group(Grouped { norm, groups, weight, bias }))
    }

    /// One batch-norm at `vb` itself.
    pub(crate) fn batch(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self::Batch(vec![BatchNorm2d::new(channels, NORM_EPS, vb)?]))
    }

    /// Batch-norms at `vb.0`, `vb.1` and so on.
    pub(crate) fn batch_for_levels(
        levels: usize,
        channels: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let norms = (0..levels).map(|level| BatchNorm2d::new(channels, NORM_EPS, vb.pp(level)));
        Ok(Self::Batch(norms.collect::<Result<_>>()?))
    }

    pub(crate) fn forward_t(&self, x: &Tensor, level: usize, train: bool) -> Result<Tensor> {
        match self {
            Self::None => Ok(x.clone()),
            Self::Group(Grouped { norm, weight, .. }) => {
                norm.forward(&x.to_dtype(weight.dtype())?)?.to_dtype(x.dtype())
            }
            Self::Batch(norms) => {
                let Some(norm) = norms.get(level) else {
                    bail!("level {level} of a head with batch-norms for {} levels", norms.len())
                };
                norm.forward_t(x, train)
            }
        }
    }
}

impl Norm {
    /// Adds this to a network in training, for a map of one level, with a ReLU where `relu`.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
        level: usize,
        relu: bool,
    ) -> Result<training::Value> {
        let y = match self {
            Self::None => x,
            Self::Group(Grouped { groups, weight, bias, .. }) => {
                net.group_norm(x, *groups, (weight, bias), NORM_EPS)?
            }
            Self::Batch(norms) => {
                let Some(norm) = norms.get(level) else {
                    bail!("level {level} of a head with batch-norms for {} levels", norms.len())
                };
                return norm.lower_t(net, x, relu);
            }
        };
        if relu { net.relu(y) } else { Ok(y) }
    }
}

/// A group norm, and what it was made of: candle's does not tell.
#[derive(Clone, Debug)]
pub(crate) struct Grouped {
    norm: GroupNorm,
    groups: usize,
    weight: Tensor,
    bias: Tensor,
}

impl Grouped {
    /// Adds this and an activation to a plan.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        x: Value,
        activation: Activation,
    ) -> Result<Value> {
        let affine = Folded::new(&self.weight, Some(&self.bias))?;
        net.group_norm(x, self.groups, affine.get(), NORM_EPS as f32, activation)
            .map_err(Error::wrap)
    }
}
