//! Stem and bottleneck stages, up to the deepest map that is asked for.

use super::bottleneck::{Bottleneck, Place};
use super::layers::{Conv2d, ConvSpec, batch_norm};
use crate::batch_norm::BatchNorm2d;
use crate::config::{Config, MIN_SIDE, STAGES, STEM, Version, WITHOUT_DFC};
use crate::lowering::Folded;
use crate::training::TrainingBuilder;
use candle::{Error, Result, Tensor, bail};
use candle_nn::VarBuilder;
use engine::plan::{Activation, NetworkBuilder, Value as PlanValue, Window};
use engine::training::Value;
use std::borrow::Borrow;
use std::collections::BTreeMap;

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

    /// How many stages its output needs.
    fn stages(self) -> usize {
        match self {
            Self::ConvStem => 0,
            Self::Stage(i) => i + 1,
        }
    }

    /// Channels and stride of the output.
    pub(crate) fn channels_and_stride(self, cfg: &Config) -> (usize, usize) {
        match self {
            Self::ConvStem => (cfg.channels(STEM), 2),
            Self::Stage(i) => {
                let rows = STAGES[..=i].iter().copied().flatten();
                let stride = rows.clone().map(|row| row.stride).product::<usize>() * 2;
                let channels = cfg.channels(rows.last().map_or(STEM, |row| row.out));
                (channels, stride.min(cfg.output_stride))
            }
        }
    }
}

/// The stem and `blocks.0` to at most `blocks.8`.
#[derive(Clone, Debug)]
pub(crate) struct Trunk {
    stem: Stem,
    stages: Vec<Vec<Bottleneck>>,
}

impl Trunk {
    /// Builds what the output of `last` needs.
    pub(crate) fn new(cfg: &Config, last: Node, vb: &VarBuilder) -> Result<Self> {
        cfg.check()?;
        let stem = Stem::new(cfg, vb)?;
        let mut stages = vec![Vec::new(); last.stages()];
        for place in places(cfg, last) {
            stages[place.stage].push(Bottleneck::new(cfg, &place, vb)?);
        }
        Ok(Self { stem, stages })
    }

    /// The outputs of `nodes`, which are sorted; nothing behind the last of them is computed.
    pub(crate) fn forward_t(&self, x: &Tensor, nodes: &[Node], train: bool) -> Result<Vec<Tensor>> {
        self.check_input(x)?;
        let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
        let mut outputs = Vec::with_capacity(nodes.len());
        let y = self.stem.conv.forward(x)?; // [B, 16, H/2, W/2]
        if nodes.contains(&Node::ConvStem) {
            outputs.push(y.clone());
        }
        if last == Node::ConvStem {
            return Ok(outputs);
        }
        let mut y = self.stem.norm.forward_t(&y, train)?.relu()?;
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
        x: PlanValue,
        nodes: &[Node],
    ) -> Result<Vec<PlanValue>> {
        let blocks = self.stages.iter().enumerate();
        let blocks = blocks.flat_map(|(stage, blocks)| blocks.iter().map(move |b| Ok((stage, b))));
        lower(&self.stem, blocks, net, x, nodes)
    }

    /// Adds the trunk to a network in training; the values of `nodes`, which are sorted.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: Value,
        nodes: &[Node],
    ) -> Result<Vec<Value>> {
        let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
        let mut outputs = Vec::with_capacity(nodes.len());
        let stem = self.stem.conv.lower_t(net, x)?;
        if nodes.contains(&Node::ConvStem) {
            outputs.push(stem);
        }
        if last == Node::ConvStem {
            return Ok(outputs);
        }
        let mut y = self.stem.norm.lower_t(net, stem, true)?;
        for (i, stage) in self.stages.iter().enumerate().take(last.stages()) {
            for bottleneck in stage {
                y = bottleneck.lower_t(net, y)?;
            }
            if nodes.contains(&Node::Stage(i)) {
                outputs.push(y);
            }
        }
        Ok(outputs)
    }

    /// As [`Trunk::new`] and [`Trunk::lower`], with one bottleneck in memory at a time.
    pub(crate) fn lower_from(
        cfg: &Config,
        vb: &VarBuilder,
        net: &mut NetworkBuilder,
        x: PlanValue,
        nodes: &[Node],
    ) -> Result<Vec<PlanValue>> {
        cfg.check()?;
        let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
        let build = |place: Place| Ok((place.stage, Bottleneck::new(cfg, &place, vb)?));
        lower(&Stem::new(cfg, vb)?, places(cfg, last).map(build), net, x, nodes)
    }

    /// Fuses the branches of V3; V1 and V2 have none.
    pub(crate) fn fuse(&mut self) -> Result<()> {
        self.stages.iter_mut().flatten().try_for_each(Bottleneck::fuse)
    }

    /// Drops the stages that the output of `last` does not need.
    pub(crate) fn truncate(&mut self, last: Node) {
        self.stages.truncate(last.stages());
    }

    pub(crate) fn in_channels(&self) -> Result<usize> {
        self.stem.conv.weight.dim(1)
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

/// `conv_stem` and `bn1`.
#[derive(Clone, Debug)]
struct Stem {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl Stem {
    fn new(cfg: &Config, vb: &VarBuilder) -> Result<Self> {
        let spec = ConvSpec {
            in_channels: cfg.in_channels,
            out_channels: cfg.channels(STEM),
            kernel: (3, 3),
            stride: 2,
            dilation: 1,
            depthwise: false,
            algorithm: cfg.convolution,
        };
        let norm = batch_norm(spec.out_channels, vb.pp("bn1"))?;
        Ok(Self { conv: spec.conv(vb.pp("conv_stem"))?, norm })
    }
}

/// The rows of the table up to `last`.
fn places(cfg: &Config, last: Node) -> impl Iterator<Item = Place> {
    let rows = STAGES.iter().take(last.stages()).enumerate().flat_map(|(stage, rows)| {
        rows.iter().enumerate().map(move |(index, row)| (stage, index, row))
    });
    let mut in_channels = cfg.channels(STEM);
    // Input pixels per cell of the map, with all strides of the table.
    let mut reached = 2;
    rows.enumerate().map(move |(number, (stage, index, row))| {
        let dfc = cfg.version != Version::V1 && number >= WITHOUT_DFC;
        let before = (reached / cfg.output_stride).max(1);
        reached *= row.stride;
        let behind = (reached / cfg.output_stride).max(1);
        let (stride, dilation) = (row.stride * before / behind, (before, behind));
        let place = Place { stage, index, row, in_channels, stride, dilation, dfc };
        in_channels = cfg.channels(row.out);
        place
    })
}

/// Adds a stem and bottlenecks, each with its stage, to a plan; the values of `nodes`.
fn lower<B: Borrow<Bottleneck>>(
    stem: &Stem,
    blocks: impl Iterator<Item = Result<(usize, B)>>,
    net: &mut NetworkBuilder,
    x: PlanValue,
    nodes: &[Node],
) -> Result<Vec<PlanValue>> {
    let Some(&last) = nodes.last() else { return Ok(Vec::new()) };
    let mut ends = BTreeMap::new();
    let window = stem.conv.window()?;
    let mut y = if nodes.contains(&Node::ConvStem) {
        // The level is read before its batch-norm, which then is a step of its own.
        let conv = stem.conv.folded()?;
        let raw = net.conv(x, window, conv.get(), Activation::Identity).map_err(Error::wrap)?;
        ends.insert(Node::ConvStem, raw);
        let window = Window::same((1, 1), 1);
        let norm = Folded::of_batch_norm(&stem.norm)?;
        net.depthwise(raw, window, norm.get(), Activation::Relu).map_err(Error::wrap)?
    } else {
        let conv = stem.conv.folded()?.then(&Folded::of_batch_norm(&stem.norm)?);
        net.conv(x, window, conv.get(), Activation::Relu).map_err(Error::wrap)?
    };
    for block in blocks {
        let (stage, block) = block?;
        if stage >= last.stages() {
            break;
        }
        y = block.borrow().lower(net, y)?;
        ends.insert(Node::Stage(stage), y);
    }
    let value = |node| ends.get(node).copied();
    let values: Option<_> = nodes.iter().map(value).collect();
    values.ok_or_else(|| Error::Msg("a map behind the last one was asked for".into()))
}
