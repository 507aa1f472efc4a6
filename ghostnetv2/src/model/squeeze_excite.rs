//! Squeeze-and-excitation with a hard-sigmoid gate.
//!
//! # Source
//! MobileNetV3 (arXiv 1905.02244), section 5.3; widths as timm's `_SE_LAYER` for GhostNet.

use super::layers::{Conv2d, ConvSpec};
use crate::config::Config;
use crate::ops::{global_avg_pool, scale_channels};
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::{VarBuilder, ops::hard_sigmoid};
use engine::plan::{Activation, NetworkBuilder, Value as PlanValue};
use engine::training::Value;

/// A gate per channel from the mean of all channels.
#[derive(Clone, Debug)]
pub(crate) struct SqueezeExcite {
    conv_reduce: Conv2d,
    conv_expand: Conv2d,
}

impl SqueezeExcite {
    pub(crate) fn new(cfg: &Config, channels: usize, ratio: f64, vb: VarBuilder) -> Result<Self> {
        let reduced = cfg.squeezed(channels, ratio);
        let pointwise = |from, to| ConvSpec::pointwise(from, to, cfg.convolution);
        Ok(Self {
            conv_reduce: pointwise(channels, reduced).conv_with_bias(vb.pp("conv_reduce"))?,
            conv_expand: pointwise(reduced, channels).conv_with_bias(vb.pp("conv_expand"))?,
        })
    }

    /// `[B, C, H, W]` → the same, each channel scaled by its gate in [0, 1].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let squeezed = global_avg_pool(x)?; // [B, C, 1, 1]
        let reduced = self.conv_reduce.forward(&squeezed)?.relu()?;
        scale_channels(x, &hard_sigmoid(&self.conv_expand.forward(&reduced)?)?)
    }

    /// Adds the gate of `x` to a plan: what reads `x` multiplies by it.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
        let squeezed = net.global_pool(x).map_err(Error::wrap)?;
        let (reduce, expand) = (self.conv_reduce.folded()?, self.conv_expand.folded()?);
        let reduced = net.linear(squeezed, reduce.get(), Activation::Relu).map_err(Error::wrap)?;
        net.linear(reduced, expand.get(), Activation::HardSigmoid).map_err(Error::wrap)
    }
    /// Adds this to a network in training: `x`, each channel scaled.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let squeezed = net.net.global_pool(x).map_err(Error::wrap)?;
        let reduced = self.conv_reduce.lower_t(net, squeezed)?;
        let reduced = net.relu(reduced)?;
        let expanded = self.conv_expand.lower_t(net, reduced)?;
        let gate = net.net.activation(expanded, Activation::HardSigmoid).map_err(Error::wrap)?;
        net.net.gate(x, gate).map_err(Error::wrap)
    }
}
