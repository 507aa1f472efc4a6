//! The feature pyramid network: maps of equal width from a backbone's levels, coarse ones added to
//! fine ones, and for detection two more levels on top.
//!
//! # Source
//! Feature Pyramid Networks for Object Detection (arXiv 1612.03144), figure 3; P6 and P7 are those
//! of Focal Loss for Dense Object Detection (arXiv 1708.02002), footnote 2 of section 4.

use crate::layers::{Block, Conv2d, ConvKind, ConvSpec, Start, only};
use crate::norms::Norm;
use candle::{Error, Result, Tensor, bail};
use candle_nn::VarBuilder;
use engine::plan::{Activation, Extent, Interpolation, NetworkBuilder, Value};
use engine::training;
use ghostnetv2::ops::upsample_nearest2d;
use ghostnetv2::training::TrainingBuilder;

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpnConfig {
    /// Channels of every output.
    pub channels: usize,
    /// How its 3x3 convolutions are built; separable ones are followed by a batch-norm, dense ones
    /// have a bias.
    pub convolution: ConvKind,
    /// Whether a 3x3 convolution follows each sum, as the paper has it.
    pub smooth: bool,
    /// P6 and P7, which segmentation does without.
    pub extra: Option<ExtraLevels>,
    /// Whose names the weights have.
    pub names: FpnNames,
}

/// How P6 and P7 are made, by convolutions of stride 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraLevels {
    /// What P6 is made from.
    pub source: ExtraSource,
    /// Whether P7 is made from P6 after a ReLU.
    pub relu: bool,
}

/// What P6 is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtraSource {
    /// The coarsest output.
    P5,
    /// The coarsest input.
    C5,
    /// As torchvision's `LastLevelP6P7(channels of C5, channels)`: from C5, but from P5 where both
    /// have equally many channels.
    C5UnlessAsWide,
}

/// Whose names the weights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FpnNames {
    /// torchvision's: `inner_blocks.0.0`, `layer_blocks.0.0`, `extra_blocks.p6`; without the last
    /// 0 in older files, which load too.
    Torchvision,
    /// mmdetection's and mmsegmentation's: `lateral_convs.0.conv`, `fpn_convs.0.conv`; P6 and P7
    /// are the last two of the latter.
    OpenMmlab,
    /// segmentation_models_pytorch's: `p5`, `p4.skip_conv` and so on, with nothing behind the sums.
    Smp,
}

/// A feature pyramid network.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use heads::fpn::{Fpn, FpnConfig, FpnNames};
/// use heads::ConvKind;
/// # fn main() -> candle::Result<()> {
/// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
/// let config = FpnConfig {
///     channels: 64,
///     convolution: ConvKind::Separable,
///     smooth: true,
///     extra: None,
///     names: FpnNames::Torchvision,
/// };
/// let fpn = Fpn::new(&config, &[40, 160], vb)?;
/// let map = |c, h, w| Tensor::zeros((1, c, h, w), DType::F32, &Device::Cpu);
/// let maps = fpn.forward(&[map(40, 13, 20)?, map(160, 7, 10)?])?;
/// assert_eq!(maps[0].dims(), [1, 64, 13, 20]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fpn {
    lateral: Vec<Conv2d>,
    /// None where the sums are the outputs.
    smooth: Option<Vec<Block>>,
    extra: Option<Extra>,
}

impl Fpn {
    /// A network for maps with so many channels, fine to coarse.
    ///
    /// # Errors
    /// No maps, parts that others have no names for, or what `vb` says of a weight.
    pub fn new(config: &FpnConfig, in_channels: &[usize], vb: VarBuilder) -> Result<Self> {
        let FpnConfig { channels, convolution, names, .. } = *config;
        let Some(&coarsest) = in_channels.last() else { bail!("fpn: no maps to build it on") };
        if names == FpnNames::Smp && (config.smooth || config.extra.is_some()) {
            bail!("fpn: segmentation_models_pytorch has neither 3x3 convolutions nor P6 and P7")
        }
        let start = Start::Uniform;
        let levels = in_channels.len();
        let lateral = |(i, &in_channels): (usize, &usize)| {
            let spec = ConvSpec {
                in_channels,
                out_channels: channels,
                kernel: 1,
                stride: 1,
                bias: true,
                start,
            };
            spec.conv(names.lateral(&vb, i, levels))
        };
        let lateral = in_channels.iter().enumerate().map(lateral).collect::<Result<Vec<_>>>()?;
        let build = |in_channels, stride, vb| {
            let bias = convolution == ConvKind::Dense;
            let spec =
                ConvSpec { in_channels, out_channels: channels, kernel: 3, stride, bias, start };
            block(spec, convolution, vb)
        };
        let smooth = || (0..levels).map(|i| build(channels, 1, names.output(&vb, i))).collect();
        let smooth = config.smooth.then(smooth).transpose()?;
        let extra = |ExtraLevels { source, relu }| {
            let from_input = match source {
                ExtraSource::P5 => false,
                ExtraSource::C5 => true,
                ExtraSource::C5UnlessAsWide => coarsest != channels,
            };
            let in_channels = if from_input { coarsest } else { channels };
            let [p6, p7] = names.extra(&vb, levels);
            let (p6, p7) = (build(in_channels, 2, p6)?, build(channels, 2, p7)?);
            Ok::<_, candle::Error>(Extra { p6, p7, from_input, relu })
        };
        let extra = config.extra.map(extra).transpose()?;
        Ok(Self { lateral, smooth, extra })
    }

    /// How many maps it gives.
    pub fn levels(&self) -> usize {
        self.lateral.len() + if self.extra.is_some() { 2 } else { 0 }
    }

    /// The pyramid in evaluation.
    ///
    /// # Errors
    /// As [`Fpn::forward_t`].
    pub fn forward(&self, maps: &[Tensor]) -> Result<Vec<Tensor>> {
        self.forward_t(maps, false)
    }

    /// The pyramid, fine to coarse.
    ///
    /// # Shapes
    /// `[B, C_i, H_i, W_i]` each → `[B, channels, H_i, W_i]` each, then P6 of half P5's size,
    /// rounded up, and P7 of half P6's.
    ///
    /// # Errors
    /// Another number of maps than it was built for, or other channels.
    pub fn forward_t(&self, maps: &[Tensor], train: bool) -> Result<Vec<Tensor>> {
        if maps.len() != self.lateral.len() {
            bail!("fpn: {} maps: expected {}", maps.len(), self.lateral.len())
        }
        let lateral = self.lateral.iter().zip(maps).map(|(conv, map)| conv.forward(map));
        let mut inner = lateral.collect::<Result<Vec<_>>>()?;
        for i in (1..inner.len()).rev() {
            let (_, _, h, w) = inner[i - 1].dims4()?;
            inner[i - 1] = (&inner[i - 1] + upsample_nearest2d(&inner[i], (h, w))?)?;
        }
        let mut outputs = match &self.smooth {
            Some(blocks) => {
                let smooth = |(block, map): (&Block, &Tensor)| block.forward_t(map, 0, train);
                blocks.iter().zip(&inner).map(smooth).collect::<Result<Vec<_>>>()?
            }
            None => inner,
        };
        if let (Some(extra), Some(c5), Some(p5)) = (&self.extra, maps.last(), outputs.last()) {
            let p6 = extra.p6.forward_t(if extra.from_input { c5 } else { p5 }, 0, train)?;
            let source = if extra.relu { p6.relu()? } else { p6.clone() };
            let p7 = extra.p7.forward_t(&source, 0, train)?;
            outputs.extend([p6, p7]);
        }
        Ok(outputs)
    }

    /// Adds this pyramid to a network in training whose values `maps` are.
    pub(crate) fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        maps: &[training::Value],
    ) -> Result<Vec<training::Value>> {
        let lateral = self.lateral.iter().zip(maps).map(|(conv, map)| conv.lower_t(net, *map));
        let mut inner = lateral.collect::<Result<Vec<_>>>()?;
        for i in (1..inner.len()).rev() {
            let grown = net.net.resize(inner[i], Some(inner[i - 1]), 1, Interpolation::Nearest);
            let grown = grown.map_err(Error::wrap)?;
            inner[i - 1] = net.net.add(inner[i - 1], grown).map_err(Error::wrap)?;
        }
        let mut outputs = inner;
        if let Some(blocks) = &self.smooth {
            for (block, map) in blocks.iter().zip(&mut outputs) {
                *map = block.lower_t(net, *map, 0, false)?;
            }
        }
        if let (Some(extra), Some(&c5), Some(&p5)) = (&self.extra, maps.last(), outputs.last()) {
            let p6 = extra.p6.lower_t(net, if extra.from_input { c5 } else { p5 }, 0, false)?;
            let source = if extra.relu { net.relu(p6)? } else { p6 };
            outputs.extend([p6, extra.p7.lower_t(net, source, 0, false)?]);
        }
        Ok(outputs)
    }

    /// Adds this pyramid to a plan whose values `maps` are.
    pub(crate) fn lower(&self, net: &mut NetworkBuilder, maps: &[Value]) -> Result<Vec<Value>> {
        let same = Activation::Identity;
        let mut inner = Vec::with_capacity(maps.len());
        for (conv, map) in self.lateral.iter().zip(maps) {
            inner.push(only(&conv.lower(net, &[*map], &[], same)?)?);
        }
        for i in (1..inner.len()).rev() {
            let (coarse, fine) = (inner[i], inner[i - 1]);
            let extent = Extent::Like(fine);
            let sum = net.resize(coarse, extent, Interpolation::Nearest, Some(fine), same);
            inner[i - 1] = sum.map_err(Error::wrap)?;
        }
        let mut outputs = inner;
        if let Some(blocks) = &self.smooth {
            for (block, map) in blocks.iter().zip(&mut outputs) {
                *map = block.lower_one(net, *map, same)?;
            }
        }
        if let (Some(extra), Some(&c5), Some(&p5)) = (&self.extra, maps.last(), outputs.last()) {
            let p6 = extra.p6.lower_one(net, if extra.from_input { c5 } else { p5 }, same)?;
            let source = match extra.relu {
                true => net.activation(p6, None, Activation::Relu).map_err(Error::wrap)?,
                false => p6,
            };
            outputs.extend([p6, extra.p7.lower_one(net, source, same)?]);
        }
        Ok(outputs)
    }
}

/// A 3x3 convolution, and its batch-norm where it is separable.
fn block(spec: ConvSpec, kind: ConvKind, vb: VarBuilder) -> Result<Block> {
    let norm = match kind {
        ConvKind::Dense => Norm::None,
        ConvKind::Separable => Norm::batch(spec.out_channels, vb.pp("bn"))?,
    };
    Ok(Block { conv: spec.of_kind(kind, vb)?, norm })
}

/// P6 and P7.
#[derive(Clone, Debug)]
struct Extra {
    p6: Block,
    p7: Block,
    from_input: bool,
    relu: bool,
}

impl FpnNames {
    fn lateral<'a>(self, vb: &VarBuilder<'a>, i: usize, levels: usize) -> VarBuilder<'a> {
        match self {
            // The coarsest of four is P5.
            Self::Smp if i + 1 == levels => vb.pp(format!("p{}", i + 2)),
            Self::Smp => vb.pp(format!("p{}", i + 2)).pp("skip_conv"),
            Self::Torchvision => wrapped(vb.pp("inner_blocks").pp(i)),
            Self::OpenMmlab => vb.pp("lateral_convs").pp(i).pp("conv"),
        }
    }

    fn output<'a>(self, vb: &VarBuilder<'a>, i: usize) -> VarBuilder<'a> {
        match self {
            Self::Torchvision => wrapped(vb.pp("layer_blocks").pp(i)),
            Self::OpenMmlab => vb.pp("fpn_convs").pp(i).pp("conv"),
            Self::Smp => vb.clone(), // there is none
        }
    }

    fn extra<'a>(self, vb: &VarBuilder<'a>, levels: usize) -> [VarBuilder<'a>; 2] {
        match self {
            Self::Torchvision => ["p6", "p7"].map(|name| vb.pp("extra_blocks").pp(name)),
            Self::OpenMmlab | Self::Smp => [0, 1].map(|i| self.output(vb, levels + i)),
        }
    }
}

/// Where torchvision's convolution lies: one level deeper, as the first of a sequence, but for
/// older files.
fn wrapped(vb: VarBuilder) -> VarBuilder {
    let deeper = vb.pp(0);
    if vb.contains_tensor("weight") && !deeper.contains_tensor("weight") { vb } else { deeper }
}
