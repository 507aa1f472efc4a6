//! The ghost bottleneck: expand, maybe stride and squeeze, project, and add the shortcut.
//!
//! # Source
//! GhostNet (arXiv 1911.11907), figure 3; GhostNetV2 (arXiv 2211.12905), figure 5.

use super::ghost_module::{GhostModule, Role};
use super::layers::{ConvBn, ConvSpec};
use super::reparam::{Branches, ConvUnit};
use super::squeeze_excite::SqueezeExcite;
use crate::config::{Config, Row, Version};
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{Activation, NetworkBuilder, Value as PlanValue};
use engine::training::Value;

/// A row of the architecture table and what it is built between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its stage, and its number there.
    pub(crate) stage: usize,
    pub(crate) index: usize,
    pub(crate) row: &'static Row,
    pub(crate) in_channels: usize,
    /// The row's, or 1 where the output stride leaves that out.
    pub(crate) stride: usize,
    /// Of what stands before the stride, and of what stands behind it.
    pub(crate) dilation: (usize, usize),
    /// Whether its first ghost module is gated by DFC attention.
    pub(crate) dfc: bool,
}

/// One row of the architecture table.
#[derive(Clone, Debug)]
pub(crate) struct Bottleneck {
    ghost1: GhostModule,
    /// Only where the row's stride is 2.
    conv_dw: Option<ConvUnit>,
    se: Option<SqueezeExcite>,
    ghost2: GhostModule,
    /// Depthwise then pointwise; `None` is the identity.
    shortcut: Option<(ConvBn, ConvBn)>,
}

impl Bottleneck {
    /// The bottleneck of a place, with weights under `blocks.{stage}.{index}`.
    pub(crate) fn new(cfg: &Config, place: &Place, vb: &VarBuilder) -> Result<Self> {
        let &Place { stage, index, row, in_channels, stride, dilation, dfc } = place;
        let vb = vb.pp(format!("blocks.{stage}.{index}"));
        let algorithm = cfg.convolution;
        let (mid, out) = (cfg.channels(row.expansion), cfg.channels(row.out));
        let kernel = (row.kernel, row.kernel);
        let expand = Role::Expand { dfc };
        let (before, behind) = dilation;
        let ghost1 = GhostModule::new(cfg, in_channels, mid, expand, before, vb.pp("ghost1"))?;
        let ghost2 = GhostModule::new(cfg, mid, out, Role::Project, behind, vb.pp("ghost2"))?;
        let conv_dw = if row.stride > 1 {
            let spec = ConvSpec::depthwise(mid, kernel, stride, algorithm).dilated(before);
            Some(match cfg.version {
                Version::V3 if cfg.reparameterized => {
                    ConvUnit::Fused(spec.conv_with_bias(vb.pp("conv_dw"))?)
                }
                Version::V3 => ConvUnit::Branches(Branches::new(spec, "dw", &vb)?),
                _ => ConvUnit::ConvBn(spec.conv_bn(vb.pp("conv_dw"), vb.pp("bn_dw"))?),
            })
        } else {
            None
        };
        let se = if row.se_ratio > 0.0 {
            Some(SqueezeExcite::new(cfg, mid, row.se_ratio, vb.pp("se"))?)
        } else {
            None
        };
        let shortcut = if in_channels == out && row.stride == 1 {
            None
        } else {
            let vb = vb.pp("shortcut");
            let depthwise = ConvSpec::depthwise(in_channels, kernel, stride, algorithm);
            let depthwise = depthwise.dilated(before);
            let pointwise = ConvSpec::pointwise(in_channels, out, algorithm);
            Some((depthwise.conv_bn(vb.pp(0), vb.pp(1))?, pointwise.conv_bn(vb.pp(2), vb.pp(3))?))
        };
        Ok(Self { ghost1, conv_dw, se, ghost2, shortcut })
    }

    /// `[B, C_in, H, W]` → `[B, C_out, ceil(H / stride), ceil(W / stride)]`.
    pub(crate) fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y = self.ghost1.forward_t(x, train)?;
        if let Some(conv_dw) = &self.conv_dw {
            y = conv_dw.forward_t(&y, train)?;
        }
        if let Some(se) = &self.se {
            y = se.forward(&y)?;
        }
        let y = self.ghost2.forward_t(&y, train)?;
        match &self.shortcut {
            Some((depthwise, pointwise)) => {
                y + pointwise.forward_t(&depthwise.forward_t(x, train)?, train)?
            }
            None => y + x,
        }
    }

    /// Adds this bottleneck to a plan.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, x: PlanValue) -> Result<PlanValue> {
        let shortcut = match &self.shortcut {
            Some((depthwise, pointwise)) => {
                let window = depthwise.conv.window()?;
                let weights = depthwise.folded()?;
                let y = net.depthwise(x, window, weights.get(), Activation::Identity);
                let y = y.map_err(Error::wrap)?;
                let weights = pointwise.folded()?;
                net.pointwise(y, weights.get(), Activation::Identity, None).map_err(Error::wrap)?
            }
            None => x,
        };
        let mut y = self.ghost1.lower(net, x, None, None)?;
        if let Some(conv_dw) = &self.conv_dw {
            let (window, weights) = (conv_dw.window()?, conv_dw.folded()?);
            y = net.then_depthwise(y, window, weights.get()).map_err(Error::wrap)?;
        }
        let scale = self.se.as_ref().map(|se| se.lower(net, y)).transpose()?;
        self.ghost2.lower(net, y, scale, Some(shortcut))
    }

    /// Adds this bottleneck to a network in training.
    pub(crate) fn lower_t(&self, net: &mut TrainingBuilder, x: Value) -> Result<Value> {
        let mut y = self.ghost1.lower_t(net, x)?;
        if let Some(conv_dw) = &self.conv_dw {
            y = conv_dw.lower_t(net, y, false)?;
        }
        if let Some(se) = &self.se {
            y = se.lower_t(net, y)?;
        }
        let y = self.ghost2.lower_t(net, y)?;
        let shortcut = match &self.shortcut {
            Some((depthwise, pointwise)) => {
                let y = depthwise.lower_t(net, x, false)?;
                pointwise.lower_t(net, y, false)?
            }
            None => x,
        };
        net.net.add(y, shortcut).map_err(Error::wrap)
    }

    pub(crate) fn fuse(&mut self) -> Result<()> {
        self.ghost1.fuse()?;
        self.ghost2.fuse()?;
        self.conv_dw.as_mut().map_or(Ok(()), ConvUnit::fuse)
    }
}
