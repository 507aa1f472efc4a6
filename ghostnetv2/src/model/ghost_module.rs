//! The ghost module: half of the features by a 1x1 convolution, half by cheap 3x3 ones on those.
//!
//! # Source
//! GhostNet (arXiv 1911.11907), equations 2 and 3, with ratio s = 2 and cheap kernel d = 3;
//! gated by DFC attention as in GhostNetV2 (arXiv 2211.12905), figure 4.

use super::dfc::DfcAttention;
use super::layers::ConvSpec;
use super::reparam::{Branches, ConvUnit};
use crate::config::{Config, Version};
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{Activation, Join, NetworkBuilder, Value as PlanValue};
use engine::training::Value;

/// Side of the cheap operation's kernel.
const CHEAP_KERNEL: usize = 3;

/// Where in its bottleneck a ghost module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `ghost1`: expands, with ReLU.
    Expand {
        /// Gated by DFC attention.
        dfc: bool,
    },
    /// `ghost2`: projects, linear.
    Project,
}

/// `cat(primary_conv(x), cheap_operation(primary_conv(x)))`, gated where it has attention.
#[derive(Clone, Debug)]
pub(crate) struct GhostModule {
    primary_conv: ConvUnit,
    cheap_operation: ConvUnit,
    relu: bool,
    dfc: Option<DfcAttention>,
    out_channels: usize,
}

impl GhostModule {
    /// A module whose depthwise kernels have taps `dilation` pixels apart.
    pub(crate) fn new(
        cfg: &Config,
        in_channels: usize,
        out_channels: usize,
        role: Role,
        dilation: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let algorithm = cfg.convolution;
        let half = out_channels.div_ceil(2);
        let primary = ConvSpec::pointwise(in_channels, half, algorithm);
        let cheap = ConvSpec::depthwise(half, (CHEAP_KERNEL, CHEAP_KERNEL), 1, algorithm);
        let cheap = cheap.dilated(dilation);
        let unit = |spec: ConvSpec, name: &str, branches: &str| -> Result<ConvUnit> {
            let vb_unit = vb.pp(name);
            Ok(match cfg.version {
                Version::V3 if cfg.reparameterized => {
                    ConvUnit::Fused(spec.conv_with_bias(vb_unit.pp(0))?)
                }
                Version::V3 => ConvUnit::Branches(Branches::new(spec, branches, &vb)?),
                _ => ConvUnit::ConvBn(spec.conv_bn(vb_unit.pp(0), vb_unit.pp(1))?),
            })
        };
        let dfc = match role {
            Role::Expand { dfc: true } => {
                let channels = (in_channels, out_channels);
                Some(DfcAttention::new(cfg, channels, dilation, vb.pp("short_conv"))?)
            }
            _ => None,
        };
        Ok(Self {
            primary_conv: unit(primary, "primary_conv", "primary")?,
            cheap_operation: unit(cheap, "cheap_operation", "cheap")?,
            relu: role != Role::Project,
            dfc,
            out_channels,
        })
    }

    /// `[B, C_in, H, W]` → `[B, C_out, H, W]`.
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let act = |y: Tensor| if self.relu { y.relu() } else { Ok(y) };
        let primary = act(self.primary_conv.forward_t(x, train)?)?; // [B, ceil(C_out / 2), H, W]
        let cheap = act(self.cheap_operation.forward_t(&primary, train)?)?;
        let y = Tensor::cat(&[primary, cheap], 1)?.narrow(1, 0, self.out_channels)?;
        match &self.dfc {
            Some(dfc) => dfc.gate_t(&y, x, train),
            None => Ok(y),
        }
    }

    /// Adds this module to a plan: of `x`, each channel times `scale`, joined by the gate or, where
    /// there is none, with `shortcut`.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        x: PlanValue,
        scale: Option<PlanValue>,
        shortcut: Option<PlanValue>,
    ) -> Result<PlanValue> {
        let join = match (&self.dfc, shortcut) {
            (Some(dfc), _) => Join::Gate(dfc.lower(net, x)?),
            (None, Some(shortcut)) => Join::Add(shortcut),
            (None, None) => Join::None,
        };
        let act = if self.relu { Activation::Relu } else { Activation::Identity };
        let (primary, cheap) = (self.primary_conv.folded()?, self.cheap_operation.folded()?);
        let cheap = (self.cheap_operation.window()?, cheap.get());
        net.ghost((x, scale), self.out_channels, primary.get(), cheap, act, join)
            .map_err(Error::wrap)
    }

    /// Adds this module to a network in training.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let primary = self.primary_conv.lower_t(net, x, self.relu)?;
        let cheap = self.cheap_operation.lower_t(net, primary, self.relu)?;
        // One part is enough where the output has but one channel.
        let parts = if self.out_channels > 1 { vec![primary, cheap] } else { vec![primary] };
        let y = net.net.concat(&parts, self.out_channels).map_err(Error::wrap)?;
        match &self.dfc {
            Some(dfc) => {
                let gate = dfc.lower_t(net, x)?;
                net.net.gate(y, gate).map_err(Error::wrap)
            }
            None => Ok(y),
        }
    }

    pub(crate) fn fuse(&mut self) -> Result<()> {
        self.primary_conv.fuse()?;
        self.cheap_operation.fuse()
    }
}
