//! GhostNetV3's reparameterisation: parallel branches in training that sum into one convolution.
//!
//! # Source
//! GhostNetV3 (arXiv 2404.11202), section 3.1; branches and names as timm's `GhostModuleV3`.

use super::layers::{Conv2d, ConvBn, ConvSpec, batch_norm};
use crate::batch_norm::BatchNorm2d;
use crate::lowering::Folded;
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::Window;
use engine::training::Value;

/// Parallel convolution branches of each kind: three in every checkpoint.
const BRANCHES: usize = 3;

/// A convolution with normalisation in the form that its version and life stage give it.
#[derive(Clone, Debug)]
pub(crate) enum ConvUnit {
    /// V1 and V2: one convolution, one batch-norm.
    ConvBn(ConvBn),
    /// V3 in training.
    Branches(Branches),
    /// V3 after fusing: one convolution with a bias.
    Fused(Conv2d),
}

impl ConvUnit {
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::ConvBn(unit) => unit.forward_t(x, train),
            Self::Branches(unit) => unit.forward_t(x, train),
            Self::Fused(conv) => conv.forward(x),
        }
    }

    /// For a network in training: with a ReLU behind it where `relu`.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value, relu: bool) -> Result<Value> {
        let sum = match self {
            Self::ConvBn(unit) => return unit.lower_t(net, x, relu),
            Self::Branches(unit) => unit.lower_t(net, x)?,
            Self::Fused(conv) => conv.lower_t(net, x)?,
        };
        if relu { net.relu(sum) } else { Ok(sum) }
    }

    /// For a plan: branches summed, batch-norm folded.
    pub(crate) fn folded(&self) -> Result<Folded<'_>> {
        match self {
            Self::ConvBn(unit) => unit.folded(),
            Self::Branches(unit) => Ok(unit.fused()?.folded()?.into_owned()),
            Self::Fused(conv) => conv.folded(),
        }
    }

    /// Kernel, stride and padding, for a plan.
    pub(crate) fn window(&self) -> Result<Window> {
        match self {
            Self::ConvBn(unit) => unit.conv.window(),
            Self::Branches(unit) => Ok(unit.spec.window()),
            Self::Fused(conv) => conv.window(),
        }
    }

    /// Replaces branches by the one convolution that equals them in evaluation.
    pub(crate) fn fuse(&mut self) -> Result<()> {
        if let Self::Branches(branches) = self {
            *self = Self::Fused(branches.fused()?);
        }
        Ok(())
    }
}

/// `Σ conv_i(x) + scale(x) + skip(x)`, each with a batch-norm of its own.
#[derive(Clone, Debug)]
pub(crate) struct Branches {
    spec: ConvSpec,
    /// `{name}_rpr_conv.{i}`: full kernels.
    convs: Vec<ConvBn>,
    /// `{name}_rpr_scale`: a 1x1 kernel.
    scale: Option<ConvBn>,
    /// `{name}_rpr_skip`: a batch-norm on the identity.
    skip: Option<BatchNorm2d>,
}

impl Branches {
    /// Branches under the checkpoint's prefix `name`: `primary` has none but the full kernels,
    /// `dw` a 1x1 branch too, `cheap` also the identity.
    pub(crate) fn new(spec: ConvSpec, name: &str, vb: &VarBuilder) -> Result<Self> {
        let conv_bn = |spec: ConvSpec, vb: VarBuilder| spec.conv_bn(vb.pp("conv"), vb.pp("bn1"));
        let convs = (0..BRANCHES)
            .map(|i| conv_bn(spec, vb.pp(format!("{name}_rpr_conv.{i}"))))
            .collect::<Result<Vec<_>>>()?;
        let scale = if spec.depthwise {
            let one = ConvSpec { kernel: (1, 1), ..spec };
            Some(conv_bn(one, vb.pp(format!("{name}_rpr_scale")))?)
        } else {
            None
        };
        // A convolution that may have a stride has no identity beside it, also where it has none.
        let skip = if name == "cheap" {
            Some(batch_norm(spec.out_channels, vb.pp(format!("{name}_rpr_skip")))?)
        } else {
            None
        };
        Ok(Self { spec, convs, scale, skip })
    }

    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut terms = Vec::with_capacity(BRANCHES + 2);
        for conv in self.scale.iter().chain(&self.convs) {
            terms.push(conv.forward_t(x, train)?);
        }
        if let Some(skip) = &self.skip {
            terms.push(skip.forward_t(x, train)?);
        }
        sum(terms)
    }

    fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let mut terms = Vec::with_capacity(BRANCHES + 2);
        for conv in self.scale.iter().chain(&self.convs) {
            terms.push(conv.lower_t(net, x, false)?);
        }
        if let Some(skip) = &self.skip {
            terms.push(skip.lower_t(net, x, false)?);
        }
        let mut terms = terms.into_iter();
        let first = terms.next().ok_or_else(none)?;
        terms.try_fold(first, |sum, term| net.net.add(sum, term)).map_err(Error::wrap)
    }

    fn fused(&self) -> Result<Conv2d> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for conv in &self.convs {
            let (weight, bias) = conv.fused()?;
            weights.push(weight);
            biases.push(bias);
        }
        if let Some(scale) = &self.scale {
            let (weight, bias) = scale.fused()?;
            weights.push(centred(&weight, self.spec.kernel)?);
            biases.push(bias);
        }
        if let Some(skip) = &self.skip {
            let (scale, shift) = skip.affine()?;
            weights.push(centred(&scale.reshape(((), 1, 1, 1))?, self.spec.kernel)?);
            biases.push(shift);
        }
        Ok(self.spec.with_weights(sum(weights)?, Some(sum(biases)?)))
    }
}

/// A 1x1 kernel as the centre of a larger one.
fn centred(weight: &Tensor, (kh, kw): (usize, usize)) -> Result<Tensor> {
    weight.pad_with_zeros(2, kh / 2, kh / 2)?.pad_with_zeros(3, kw / 2, kw / 2)
}

fn sum(terms: Vec<Tensor>) -> Result<Tensor> {
    let mut terms = terms.into_iter();
    let first = terms.next().ok_or_else(none)?;
    terms.try_fold(first, |sum, term| sum + term)
}

fn none() -> Error {
    Error::Msg("a sum of no branches".into())
}
