//! From the last map to class scores.

use super::layers::{Conv2d, ConvBn, ConvSpec, Folded};
use crate::config::{Config, HEAD, LAST, STAGES};
use crate::ops::global_avg_pool;
use candle::{Error, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear, ops::dropout};
use engine::plan::{Activation, NetworkBuilder, Value};

/// `blocks.9`, pooling, `conv_head` and, unless left out, `classifier`.
#[derive(Clone, Debug)]
pub(crate) struct ClassifierHead {
    conv_bn: ConvBn,
    conv_head: Conv2d,
    classifier: Option<Linear>,
    dropout: f32,
}

impl ClassifierHead {
    pub(crate) fn new(cfg: &Config, classes: Option<usize>, vb: &VarBuilder) -> Result<Self> {
        let last_row = STAGES[STAGES.len() - 1].last().map_or(LAST, |row| row.out);
        let (trunk, last) = (cfg.channels(last_row), cfg.channels(LAST));
        let pointwise = |from, to| ConvSpec::pointwise(from, to, cfg.convolution);
        let block = vb.pp("blocks.9.0");
        let classifier = match classes {
            Some(classes) => Some(linear(HEAD, classes, vb.pp("classifier"))?),
            None => None,
        };
        Ok(Self {
            conv_bn: pointwise(trunk, last).conv_bn(block.pp("conv"), block.pp("bn1"))?,
            conv_head: pointwise(last, HEAD).conv_with_bias(vb.pp("conv_head"))?,
            classifier,
            dropout: cfg.dropout,
        })
    }

    /// `[B, C, H, W]` → `[B, classes]`, or `[B, 1280]` without a classifier.
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.conv_bn.forward_t(x, train)?.relu()?; // [B, 960, H, W]
        let y = self.conv_head.forward(&global_avg_pool(&y)?)?.relu()?; // [B, 1280, 1, 1]
        let y = y.flatten_from(1)?;
        let Some(classifier) = &self.classifier else { return Ok(y) };
        let y = if train && self.dropout > 0.0 { dropout(&y, self.dropout)? } else { y };
        classifier.forward(&y)
    }

    /// Adds the head to a plan.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: Value) -> Result<Value> {
        let (conv, head) = (self.conv_bn.folded()?, self.conv_head.folded()?);
        let y = net.pointwise(x, conv.get(), Activation::Relu, None).map_err(Error::wrap)?;
        let y = net.global_pool(y).map_err(Error::wrap)?;
        let y = net.linear(y, head.get(), Activation::Relu).map_err(Error::wrap)?;
        let Some(classifier) = &self.classifier else { return Ok(y) };
        let weight = classifier.weight();
        let bias = match classifier.bias() {
            Some(bias) => bias.clone(),
            None => Tensor::zeros(weight.dim(0)?, weight.dtype(), weight.device())?,
        };
        let weights = Folded::new(weight, &bias)?;
        net.linear(y, weights.get(), Activation::Identity).map_err(Error::wrap)
    }
}
