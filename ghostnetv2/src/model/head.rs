//! From the last map to class scores.

use super::layers::{Conv2d, ConvBn, ConvSpec};
use crate::config::{Config, HEAD, LAST, STAGES};
use crate::lowering::Folded;
use crate::ops::global_avg_pool;
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear, ops::dropout};
use engine::plan::{Activation, NetworkBuilder, Value as PlanValue, Window};
use engine::training::Value;

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
        Ok(Self {
            conv_bn: conv_bn(cfg, vb)?,
            conv_head: conv_head(cfg, vb)?,
            classifier: classes.map(|classes| classifier(classes, vb)).transpose()?,
            dropout: cfg.dropout,
        })
    }

    /// `[B, C, H, W]` → `[B, classes]`, or `[B, 1280]` without a classifier.
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = self.conv_bn.forward_t(x, train)?.relu()?; // [B, 960, H, W]
        let y = self.conv_head.forward(&global_avg_pool(&y)?)?.relu()?; // [B, 1280, 1, 1]
        let y = y.flatten_from(1)?;
        let Some(classifier) = &self.classifier else { return Ok(y) };
        // Scores are of the weights' type, whatever the maps are.
        let y = y.to_dtype(classifier.weight().dtype())?;
        let y = if train && self.dropout > 0.0 { dropout(&y, self.dropout)? } else { y };
        classifier.forward(&y)
    }

    /// Adds the head to a plan.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
        let y = lower_pooled(&self.conv_bn, net, x)?;
        let y = lower_features(&self.conv_head, net, y)?;
        match &self.classifier {
            Some(classifier) => lower_scores(classifier, net, y),
            None => Ok(y),
        }
    }

    /// Adds the head to a network in training.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let y = self.conv_bn.lower_t(net, x, true)?;
        let y = net.net.global_pool(y).map_err(Error::wrap)?;
        let y = self.conv_head.lower_t(net, y)?;
        let mut y = net.relu(y)?;
        let Some(classifier) = &self.classifier else { return Ok(y) };
        if self.dropout > 0.0 {
            y = net.net.dropout(y, self.dropout, false).map_err(Error::wrap)?;
        }
        net.conv(y, Window::same((1, 1), 1), false, classifier.weight(), classifier.bias())
    }

    /// As [`ClassifierHead::new`] and [`ClassifierHead::lower`], with one layer in memory at a time.
    pub(crate) fn lower_from(
        cfg: &Config,
        classes: usize,
        vb: &VarBuilder,
        net: &mut NetworkBuilder,
        x: PlanValue,
    ) -> Result<PlanValue> {
        let y = lower_pooled(&conv_bn(cfg, vb)?, net, x)?;
        let y = lower_features(&conv_head(cfg, vb)?, net, y)?;
        lower_scores(&classifier(classes, vb)?, net, y)
    }
}

/// `blocks.9`.
fn conv_bn(cfg: &Config, vb: &VarBuilder) -> Result<ConvBn> {
    let last_row = STAGES[STAGES.len() - 1].last().map_or(LAST, |row| row.out);
    let (trunk, last) = (cfg.channels(last_row), cfg.channels(LAST));
    let block = vb.pp("blocks.9.0");
    ConvSpec::pointwise(trunk, last, cfg.convolution).conv_bn(block.pp("conv"), block.pp("bn1"))
}

fn conv_head(cfg: &Config, vb: &VarBuilder) -> Result<Conv2d> {
    let spec = ConvSpec::pointwise(cfg.channels(LAST), HEAD, cfg.convolution);
    spec.conv_with_bias(vb.pp("conv_head"))
}

fn classifier(classes: usize, vb: &VarBuilder) -> Result<Linear> {
    linear(HEAD, classes, vb.pp("classifier"))
}

fn lower_pooled(conv_bn: &ConvBn, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
    let y = net.pointwise(x, conv_bn.folded()?.get(), Activation::Relu, None);
    net.global_pool(y.map_err(Error::wrap)?).map_err(Error::wrap)
}

fn lower_features(conv_head: &Conv2d, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
    net.linear(x, conv_head.folded()?.get(), Activation::Relu).map_err(Error::wrap)
}

fn lower_scores(classifier: &Linear, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
    let weights = Folded::new(classifier.weight(), classifier.bias())?;
    net.linear(x, weights.get(), Activation::Identity).map_err(Error::wrap)
}
