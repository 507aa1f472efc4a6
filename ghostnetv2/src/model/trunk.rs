//! Stem and bottleneck stages, up to the deepest map that is asked for.

use super::bottleneck::Bottleneck;
use super::layers::{BatchNorm2d, Conv2d, ConvBn, ConvSpec, Folded};
use crate::config::{Config, MIN_SIDE, STAGES, STEM, WITHOUT_DFC};
use candle::{Error, Result, Tensor, bail};
use candle_nn::VarBuilder;
use engine::plan::{Activation, NetworkBuilder, Value, Window};

/// A place in the trunk whose output can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    /// `conv_stem`, before its batch-norm and ReLU.
    ConvStem,
    /// `blocks.{i}`.
    Stage(usize),
}

impl Node {
    pub(crate) const LAST: Self = Self::Stage(STAGES.len() - 1);

    /// The checkpoint's name of the module.
    pub(crate) fn name(self) -> String {
        match self {
            Self::ConvStem => "conv_stem".into(),
            Self::Stage(i) => format!("blocks.{i}"),
        }
    }

    /// Channels and stride of the output.
    pub(crate) fn channels_and_stride(self, cfg: &Config) -> (usize, usize) {
        match self {
            Self::ConvStem => (cfg.channels(STEM), 2),
            Self::Stage(i) => {
                let rows = STAGES[..=i].iter().copied().flatten();
                let stride = rows.clone().map(|row| row.stride).product::<usize>() * 2;
                (cfg.channels(rows.last().map_or(STEM, |row| row.out)), stride)
            }
        }
    }
}

/// The stem and `blocks.0` to at most `blocks.8`.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    conv_stem: Conv2d,
    bn1: BatchNorm2d,
    stages: Vec<Vec<Bottleneck>>,
}

impl Trunk {
    /// Builds what the output of `last` needs.
    pub(crate) fn new(cfg: &Config, last: Node, vb: &VarBuilder) -> Result<Self> {
        cfg.check()?;
        let stem = cfg.channels(STEM);
        let spec = ConvSpec {
            in_channels: cfg.in_channels,
            out_channels: stem,
            kernel: (3, 3),
            stride: 2,
            depthwise: false,
            algorithm: cfg.convolution,
        };
        let needed = match last {
            Node::ConvStem => 0,
            Node::Stage(i) => i + 1,
        };
        let (mut in_channels, mut index) = (stem, 0);
        let mut stages = Vec::with_capacity(needed);
        for (s, rows) in STAGES.iter().take(needed).enumerate() {
            let mut stage = Vec::with_capacity(rows.len());
            for (i, row) in rows.iter().enumerate() {
                let dfc = cfg.version != crate::Version::V1 && index >= WITHOUT_DFC;
                let vb = vb.pp(format!("blocks.{s}.{i}"));
                stage.push(Bottleneck::new(cfg, row, in_channels, dfc, vb)?);
                in_channels = cfg.channels(row.out);
                index += 1;
            }
            stages.push(stage);
        }
        Ok(Self {
            conv_stem: spec.conv(vb.pp("conv_stem"))?,
            bn1: BatchNorm2d::new(stem, vb.pp("bn1"))?,
            stages,
        })
    }

    /// The outputs of `nodes`, which are sorted; nothing behind the last of them is computed.
    pub(crate) fn forward_t(&self, x: &Tensor, nodes: &[Node], train: bool) -> Result<Vec<Tensor>> {
        self.check_input(x)?;
        let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
        let mut outputs = Vec::with_capacity(nodes.len());
        let y = self.conv_stem.forward(x)?; // [B, 16, H/2, W/2]
        if nodes.contains(&Node::ConvStem) {
            outputs.push(y.clone());
        }
        if last == Node::ConvStem {
            return Ok(outputs);
        }
        let mut y = self.bn1.forward_t(&y, train)?.relu()?;
        for (i, stage) in self.stages.iter().enumerate() {
            for bottleneck in stage {
                y = bottleneck.forward_t(&y, train)?;
            }
            if nodes.contains(&Node::Stage(i)) {
                outputs.push(y.clone());
            }
            if last == Node::Stage(i) {
                break;
            }
        }
        Ok(outputs)
    }

    /// Adds the trunk to a plan; the values of `nodes`, which are sorted.
    pub(crate) fn lower(
        &self,
        net: &mut NetworkBuilder,
        x: Value,
        nodes: &[Node],
    ) -> Result<Vec<Value>> {
        let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
        let mut values = Vec::with_capacity(nodes.len());
        let window = self.conv_stem.window()?;
        let mut y = if nodes.contains(&Node::ConvStem) {
            // The level is read before its batch-norm, which then is a step of its own.
            let stem = self.conv_stem.folded()?;
            let raw = net.conv(x, window, stem.get(), Activation::Identity).map_err(Error::wrap)?;
            values.push(raw);
            let (scale, shift) = self.bn1.affine()?;
            let norm = Folded::new(&scale, &shift)?;
            let window = Window::same((1, 1), 1);
            net.depthwise(raw, window, norm.get(), Activation::Relu).map_err(Error::wrap)?
        } else {
            let stem = ConvBn { conv: self.conv_stem.clone(), norm: self.bn1.clone() }.folded()?;
            net.conv(x, window, stem.get(), Activation::Relu).map_err(Error::wrap)?
        };
        for (i, stage) in self.stages.iter().enumerate().filter(|_| last != Node::ConvStem) {
            for bottleneck in stage {
                y = bottleneck.lower(net, y)?;
            }
            if nodes.contains(&Node::Stage(i)) {
                values.push(y);
            }
            if last == Node::Stage(i) {
                break;
            }
        }
        Ok(values)
    }

    /// Fuses the branches of V3; V1 and V2 have none.
    pub(crate) fn fuse(&mut self) -> Result<()> {
        self.stages.iter_mut().flatten().try_for_each(Bottleneck::fuse)
    }

    /// Drops the stages that the output of `last` does not need.
    pub(crate) fn truncate(&mut self, last: Node) {
        self.stages.truncate(match last {
            Node::ConvStem => 0,
            Node::Stage(i) => i + 1,
        });
    }

    pub(crate) fn in_channels(&self) -> Result<usize> {
        self.conv_stem.weight.dim(1)
    }

    fn check_input(&self, x: &Tensor) -> Result<()> {
        let (_, c, h, w) = x.dims4()?;
        let channels = self.in_channels()?;
        if c != channels {
            bail!("input {:?} has {c} channels: expected [B, {channels}, H, W]", x.dims())
        }
        if h < MIN_SIDE || w < MIN_SIDE {
            bail!("input {:?} is too small: expected at least {MIN_SIDE} pixels a side", x.dims())
        }
        Ok(())
    }
}
