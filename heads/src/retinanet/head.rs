//! Two towers of convolutions that every level of the pyramid goes through: one tells classes, one
//! tells boxes.
//!
//! # Source
//! Focal Loss for Dense Object Detection (arXiv 1708.02002), section 4.

use super::names::{Branch, Names, predictor, tower};
use crate::ConvKind;
use crate::layers::{Block, Conv, ConvSpec, Start};
use crate::norms::Norm;
use candle::{Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{Activation, NetworkBuilder, Value};
use engine::training;
use ghostnetv2::training::TrainingBuilder;

/// The share of anchors that hold an object, as far as an untrained head knows.
const PRIOR: f64 = 0.01;

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadConfig {
    /// Scores per anchor.
    pub classes: usize,
    /// Anchors per cell.
    pub anchors: usize,
    /// Levels of the pyramid.
    pub levels: usize,
    /// Channels of the pyramid and of the towers.
    pub channels: usize,
    /// How its convolutions are built.
    pub convolution: ConvKind,
    /// Convolutions in each tower, before the one that predicts.
    pub depth: usize,
    /// What stands behind each of them, before the ReLU.
    pub norm: HeadNorm,
    /// Whose names the weights have.
    pub names: Names,
}

/// What stands behind the convolutions of a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadNorm {
    /// Nothing; the convolutions have a bias.
    None,
    /// A group norm of so many groups, the same for all levels.
    Group(usize),
    /// Batch-norms, one for each level.
    BatchForLevels,
}

/// What a head says of a batch.
#[derive(Clone, Debug)]
pub struct RawOutputs {
    /// For each level `[B, anchors * classes, H, W]`, all classes of an anchor together: logits.
    pub logits: Vec<Tensor>,
    /// For each level `[B, anchors * 4, H, W]`: differences of boxes from anchors.
    pub deltas: Vec<Tensor>,
}

impl RawOutputs {
    /// Rows and columns of each level.
    ///
    /// # Errors
    /// Tensors without four axes.
    pub fn cells(&self) -> Result<Vec<(usize, usize)>> {
        let cells = |map: &Tensor| map.dims4().map(|(_, _, h, w)| (h, w));
        self.logits.iter().map(cells).collect()
    }

    /// All levels one after the other, with a row for each anchor.
    ///
    /// # Shapes
    /// Logits `[B, N, classes]` and differences `[B, N, 4]`, where anchors are in the order of
    /// [`LevelAnchors::iter`](crate::anchors::LevelAnchors::iter).
    ///
    /// # Errors
    /// Channels that are not whole anchors of so many `classes`.
    pub fn rows(&self, classes: usize) -> Result<(Tensor, Tensor)> {
        Ok((rows(&self.logits, classes)?, self.delta_rows()?))
    }

    /// The differences of [`RawOutputs::rows`].
    pub(super) fn delta_rows(&self) -> Result<Tensor> {
        rows(&self.deltas, 4)
    }
}

/// Maps `[B, anchors * width, H, W]` of all levels as `[B, N, width]`.
pub(super) fn rows(maps: &[Tensor], width: usize) -> Result<Tensor> {
    let row = |map: &Tensor| {
        let (b, c, h, w) = map.dims4()?;
        let map = map.reshape((b, c / width.max(1), width, h * w))?;
        map.permute((0, 3, 1, 2))?.reshape((b, (), width))
    };
    Tensor::cat(&maps.iter().map(row).collect::<Result<Vec<_>>>()?, 1)
}

/// Both towers.
#[derive(Clone, Debug)]
pub struct Head {
    classes: Tower,
    boxes: Tower,
}

impl Head {
    /// A head with weights as its names say.
    ///
    /// # Errors
    /// What `vb` says of a weight.
    pub fn new(config: &HeadConfig, vb: VarBuilder) -> Result<Self> {
        let prior = -((1.0 - PRIOR) / PRIOR).ln();
        let (scores, edges) = (config.anchors * config.classes, config.anchors * 4);
        Ok(Self {
            classes: Tower::new(config, Branch::Classes, scores, prior, &vb)?,
            boxes: Tower::new(config, Branch::Boxes, edges, 0.0, &vb)?,
        })
    }

    /// Raw outputs for a pyramid.
    ///
    /// # Shapes
    /// `[B, channels, H, W]` of any size each; see [`RawOutputs`].
    ///
    /// # Errors
    /// Maps of other channels, or more of them than there are norms for.
    pub fn forward_t(&self, maps: &[Tensor], train: bool) -> Result<RawOutputs> {
        let run = |tower: &Tower| {
            let maps = maps.iter().enumerate();
            maps.map(|(level, map)| tower.forward_t(map, level, train)).collect::<Result<_>>()
        };
        Ok(RawOutputs { logits: run(&self.classes)?, deltas: run(&self.boxes)? })
    }

    /// Adds both towers to a network in training: the logits of all levels, then their
    /// differences.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        maps: &[training::Value],
    ) -> Result<Vec<training::Value>> {
        let mut outputs = Vec::with_capacity(2 * maps.len());
        for tower in [&self.classes, &self.boxes] {
            for (level, map) in maps.iter().enumerate() {
                outputs.push(tower.lower_t(net, *map, level)?);
            }
        }
        Ok(outputs)
    }

    /// Adds both towers to a plan: the logits of all levels, then their differences.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, maps: &[Value]) -> Result<Vec<Value>> {
        let mut outputs = self.classes.lower(net, maps)?;
        outputs.extend(self.boxes.lower(net, maps)?);
        Ok(outputs)
    }
}

#[derive(Clone, Debug)]
struct Tower {
    layers: Vec<Block>,
    predictor: Conv,
}

impl Tower {
    fn new(
        config: &HeadConfig,
        branch: Branch,
        outputs: usize,
        bias: f64,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let HeadConfig { channels, convolution, names, .. } = *config;
        // Batch-norms make up for small weights, but not across two convolutions at once.
        let start = match convolution {
            ConvKind::Dense => Start::Small(0.0),
            ConvKind::Separable => Start::Uniform,
        };
        let spec = ConvSpec {
            in_channels: channels,
            out_channels: channels,
            kernel: 3,
            stride: 1,
            bias: config.norm == HeadNorm::None,
            start,
        };
        let layer = |i: usize| {
            let (conv, norm) = tower(names, branch, i, vb);
            let conv = spec.of_kind(convolution, conv)?;
            let norm = match config.norm {
                HeadNorm::None => Norm::None,
                HeadNorm::Group(groups) => Norm::group(groups, channels, norm)?,
                HeadNorm::BatchForLevels => Norm::batch_for_levels(config.levels, channels, &norm)?,
            };
            Ok(Block { conv, norm })
        };
        let layers = (0..config.depth).map(layer).collect::<Result<_>>()?;
        let start = Start::Small(bias);
        let spec = ConvSpec { out_channels: outputs, bias: true, start, ..spec };
        let predictor = spec.of_kind(convolution, predictor(names, branch, vb))?;
        Ok(Self { layers, predictor })
    }

    fn forward_t(&self, x: &Tensor, level: usize, train: bool) -> Result<Tensor> {
        let mut y = x.clone();
        for layer in &self.layers {
            y = layer.forward_t(&y, level, train)?.relu()?;
        }
        self.predictor.forward(&y)
    }

    fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
        level: usize,
    ) -> Result<training::Value> {
        let mut y = x;
        for layer in &self.layers {
            y = layer.lower_t(net, y, level, true)?;
        }
        self.predictor.lower_t(net, y)
    }

    /// Layer by layer, each through all levels: its weights stay in the cache.
    fn lower(&self, net: &mut NetworkBuilder, maps: &[Value]) -> Result<Vec<Value>> {
        let mut maps = maps.to_vec();
        for layer in &self.layers {
            maps = layer.lower(net, &maps, Activation::Relu)?;
        }
        self.predictor.lower(net, &maps, &[], Activation::Identity)
    }
}
