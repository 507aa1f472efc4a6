//! From a pyramid to class scores: every level is brought to the size of the finest, and summed.

use super::SemanticNorm;
use super::config::SemanticFpnConfig;
use super::names::{classifier, unit};
use crate::layers::{Block, Conv2d, ConvSpec, Start, drop_channels, only};
use crate::norms::Norm;
use candle::{Error, Result, Tensor, bail};
use candle_nn::VarBuilder;
use engine::plan::{Activation, Extent, Interpolation, NetworkBuilder, Value};
use engine::training;
use ghostnetv2::ops::upsample_bilinear2d;
use ghostnetv2::training::TrainingBuilder;

/// The head of a Semantic FPN.
#[derive(Clone, Debug)]
pub(super) struct Head {
    levels: Vec<Vec<Block>>,
    classifier: Conv2d,
    align_corners: bool,
    dropout: f64,
}

impl Head {
    /// A head for a pyramid of so many levels, each twice as coarse as the one before.
    pub(super) fn new(config: &SemanticFpnConfig, levels: usize, vb: &VarBuilder) -> Result<Self> {
        // As many convolutions as there are doublings to the finest level, but at least one.
        let level = |level: usize| {
            let blocks = (0..level.max(1)).map(|i| block(config, (level, levels), i, vb));
            blocks.collect::<Result<Vec<_>>>()
        };
        let spec = ConvSpec {
            in_channels: config.channels,
            out_channels: config.classes,
            kernel: 1,
            stride: 1,
            bias: true,
            start: Start::Small(0.0),
        };
        Ok(Self {
            levels: (0..levels).map(level).collect::<Result<_>>()?,
            classifier: spec.conv(classifier(config.names, vb))?,
            align_corners: config.align_corners,
            dropout: config.dropout,
        })
    }

    /// `[B, pyramid_channels, H_i, W_i]` each → `[B, classes, H_0, W_0]`.
    pub(super) fn forward_t(&self, maps: &[Tensor], train: bool) -> Result<Tensor> {
        let Some(finest) = maps.first().filter(|_| maps.len() == self.levels.len()) else {
            bail!("a head for {} levels, but {} maps", self.levels.len(), maps.len())
        };
        let (_, _, h, w) = finest.dims4()?;
        let grown = |(i, (blocks, map)): (usize, (&Vec<Block>, &Tensor))| {
            let mut y = map.clone();
            for block in blocks {
                y = block.forward_t(&y, 0, train)?.relu()?;
                if i > 0 {
                    let (_, _, h, w) = y.dims4()?;
                    y = upsample_bilinear2d(&y, (2 * h, 2 * w), self.align_corners)?;
                }
            }
            // Doubled sizes of coarse maps are a little more where sides are odd.
            upsample_bilinear2d(&y, (h, w), self.align_corners)
        };
        let mut grown = self.levels.iter().zip(maps).enumerate().map(grown);
        let Some(first) = grown.next() else { bail!("a head without levels") };
        let sum = grown.try_fold(first?, |sum, map| sum + map?)?;
        let sum = if train { drop_channels(&sum, self.dropout)? } else { sum };
        self.classifier.forward(&sum)
    }

    /// Adds the head to a network in training: the value of the logits.
    pub(super) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        maps: &[training::Value],
    ) -> Result<training::Value> {
        let Some(&finest) = maps.first().filter(|_| maps.len() == self.levels.len()) else {
            bail!("a head for {} levels, but {} maps", self.levels.len(), maps.len())
        };
        let bilinear = self.interpolation();
        let mut sum: Option<training::Value> = None;
        for (blocks, &map) in self.levels.iter().zip(maps) {
            let mut y = map;
            for block in blocks {
                y = block.lower_t(net, y, 0, true)?;
                if sum.is_some() {
                    y = net.net.resize(y, None, 2, bilinear).map_err(Error::wrap)?;
                }
            }
            if let Some(sum) = sum {
                let sized = net.net.resize(y, Some(finest), 1, bilinear).map_err(Error::wrap)?;
                y = net.net.add(sum, sized).map_err(Error::wrap)?;
            }
            sum = Some(y);
        }
        let Some(mut y) = sum else { bail!("a head without levels") };
        if self.dropout > 0.0 {
            y = net.net.dropout(y, self.dropout as f32, true).map_err(Error::wrap)?;
        }
        self.classifier.lower_t(net, y)
    }

    fn interpolation(&self) -> Interpolation {
        match self.align_corners {
            true => Interpolation::BilinearCorners,
            false => Interpolation::Bilinear,
        }
    }

    /// Adds the head to a plan: the value of the logits.
    pub(super) fn lower(&self, net: &mut NetworkBuilder, maps: &[Value]) -> Result<Value> {
        let Some(&finest) = maps.first().filter(|_| maps.len() == self.levels.len()) else {
            bail!("a head for {} levels, but {} maps", self.levels.len(), maps.len())
        };
        let bilinear = self.interpolation();
        let same = Activation::Identity;
        let mut sum: Option<Value> = None;
        for (blocks, &map) in self.levels.iter().zip(maps) {
            let mut y = map;
            for block in blocks {
                y = block.lower_one(net, y, Activation::Relu)?;
                // All levels but the finest, which is the first.
                if sum.is_some() {
                    let doubled = net.resize(y, Extent::Times(2), bilinear, None, same);
                    y = doubled.map_err(Error::wrap)?;
                }
            }
            if sum.is_some() {
                let sized = net.resize(y, Extent::Like(finest), bilinear, sum, same);
                y = sized.map_err(Error::wrap)?;
            }
            sum = Some(y);
        }
        only(&self.classifier.lower(net, sum.as_slice(), &[], same)?)
    }
}

/// A 3x3 convolution and its norm, before a ReLU.
fn block(
    config: &SemanticFpnConfig,
    level: (usize, usize),
    i: usize,
    vb: &VarBuilder,
) -> Result<Block> {
    let (conv, norm) = unit(config.names, level, i, vb);
    let spec = ConvSpec {
        in_channels: if i == 0 { config.pyramid_channels } else { config.channels },
        out_channels: config.channels,
        kernel: 3,
        stride: 1,
        bias: false,
        start: Start::Uniform,
    };
    let norm = match config.norm {
        SemanticNorm::Batch => Norm::batch(config.channels, norm)?,
        SemanticNorm::Group(groups) => Norm::group(groups, config.channels, norm)?,
    };
    Ok(Block { conv: spec.of_kind(config.convolution, conv)?, norm })
}
