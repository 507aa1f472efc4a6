//! Feature pyramids: which maps a head sees, and the trait that it sees them through.

use crate::config::Config;
use crate::model::{Node, Trunk};
use crate::plan::Plan;
use crate::training::TrainingBuilder;
use candle::{Result, Tensor};
use candle_nn::VarBuilder;
use engine::plan::{NetworkBuilder, PlanOptions, Value};
use engine::training;

/// One map of a pyramid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureInfo {
    /// The checkpoint's name of the module that gives it, such as `blocks.4`.
    pub name: String,
    /// Channels of the map.
    pub channels: usize,
    /// Input pixels per cell: an input of `n` pixels gives `ceil(n / stride)` cells.
    pub stride: usize,
}

/// A level of the pyramid; `C3` has stride 2³.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Stride 2.
    C1,
    /// Stride 4.
    C2,
    /// Stride 8.
    C3,
    /// Stride 16.
    C4,
    /// Stride 32.
    C5,
}

impl Level {
    /// All levels, fine to coarse.
    pub const ALL: [Self; 5] = [Self::C1, Self::C2, Self::C3, Self::C4, Self::C5];

    /// `c1` to `c5`.
    pub fn name(self) -> &'static str {
        ["c1", "c2", "c3", "c4", "c5"][self as usize]
    }
}

/// Which of the maps of equal stride stands for a level.
///
/// Weights of a dense head fit one convention only: heads trained on timm's `features_only`
/// (segmentation_models_pytorch, mmdetection's and torchvision's timm backbones) need
/// [`Taps::Timm`]; training anew is better on [`Taps::StageEnds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Taps {
    /// As timm's `features_only`: the first, strided block of each resolution; C1 is `conv_stem`
    /// before batch-norm. 16/24/40/80/160 channels at width 1.0.
    Timm,
    /// The last block of each resolution. 16/24/40/112/160 channels at width 1.0.
    StageEnds,
}

impl Taps {
    pub(crate) fn node(self, level: Level) -> Node {
        match (self, level) {
            (Self::Timm, Level::C1) => Node::ConvStem,
            (Self::Timm, level) => Node::Stage(2 * level as usize - 1),
            (Self::StageEnds, level) => Node::Stage(2 * level as usize),
        }
    }

    /// What the maps of `levels` look like.
    pub fn feature_info(self, cfg: &Config, levels: &[Level]) -> Vec<FeatureInfo> {
        let info = |&level: &Level| {
            let node = self.node(level);
            let (channels, stride) = node.channels_and_stride(cfg);
            FeatureInfo { name: node.name(), channels, stride }
        };
        levels.iter().map(info).collect()
    }
}

/// What a detection or segmentation head needs to know of a network.
pub trait Backbone {
    /// The maps that [`Backbone::features_t`] gives, in its order.
    fn feature_info(&self) -> &[FeatureInfo];

    /// The pyramid of a batch of pictures.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → one `[B, channels, ceil(H / stride), ceil(W / stride)]` per entry of
    /// [`Backbone::feature_info`].
    ///
    /// # Errors
    /// An input that the network can't take.
    fn features_t(&self, x: &Tensor, train: bool) -> Result<Vec<Tensor>>;

    /// [`Backbone::features_t`] in evaluation.
    ///
    /// # Errors
    /// As there.
    fn features(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.features_t(x, false)
    }
}

/// A GhostNet without its head that gives chosen levels, and computes nothing behind the last.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use ghostnetv2::{Backbone, Config, Level, Pyramid, Taps};
/// # fn main() -> candle::Result<()> {
/// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
/// let levels = [Level::C3, Level::C4, Level::C5];
/// let backbone = Pyramid::new(&Config::v2(1.0), Taps::StageEnds, &levels, vb)?;
/// let channels: Vec<_> = backbone.feature_info().iter().map(|info| info.channels).collect();
/// assert_eq!(channels, [40, 112, 160]);
/// let x = Tensor::zeros((1, 3, 97, 161), DType::F32, &Device::Cpu)?;
/// assert_eq!(backbone.features(&x)?[0].dims(), [1, 40, 13, 21]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Pyramid {
    trunk: Trunk,
    /// Sorted and unique, as the trunk reaches them.
    nodes: Vec<Node>,
    /// For each level asked for, its place in `nodes`.
    order: Vec<usize>,
    info: Vec<FeatureInfo>,
}

impl Pyramid {
    /// A pyramid with weights under timm's names; weights behind the last level are not read.
    ///
    /// # Errors
    /// A configuration that [`Config::check`] refuses, or what `vb` says of a weight.
    pub fn new(cfg: &Config, taps: Taps, levels: &[Level], vb: VarBuilder) -> Result<Self> {
        let last = levels.iter().max().map_or(Node::ConvStem, |&level| taps.node(level));
        Ok(Self::from_trunk(cfg, Trunk::new(cfg, last, &vb)?, taps, levels))
    }

    pub(crate) fn from_trunk(cfg: &Config, mut trunk: Trunk, taps: Taps, levels: &[Level]) -> Self {
        let mut nodes: Vec<_> = levels.iter().map(|&level| taps.node(level)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        if let Some(&last) = nodes.last() {
            trunk.truncate(last);
        }
        let place = |&level: &Level| nodes.partition_point(|&node| node < taps.node(level));
        let order = levels.iter().map(place).collect();
        Self { trunk, nodes, order, info: taps.feature_info(cfg, levels) }
    }

    /// A plan of this pyramid for a CPU, laid out for inputs of `shape` `[B, 3, H, W]`; it gives
    /// the levels in their order. The plan is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<Plan> {
        let (mut net, x) = NetworkBuilder::new(options, self.in_channels()?);
        let levels = self.lower(&mut net, x)?;
        Plan::new(net.build(&levels), shape, options)
    }

    /// Adds this pyramid to a network whose input is `x`; the levels in their order. A head goes
    /// on from there, and both together are one [`Plan`].
    ///
    /// # Errors
    /// Weights that can't be read, or no memory.
    ///
    /// # Example
    /// A head that tells the mean of each channel:
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use engine::plan::NetworkBuilder;
    /// use ghostnetv2::{Config, Level, Plan, PlanOptions, Pyramid, Taps};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let vb = candle_nn::VarBuilder::zeros(DType::F32, &Device::Cpu);
    /// let backbone = Pyramid::new(&Config::v2(1.0), Taps::StageEnds, &[Level::C4], vb)?;
    /// let options = PlanOptions::default();
    /// let (mut net, x) = NetworkBuilder::new(&options, backbone.in_channels()?);
    /// let maps = backbone.lower(&mut net, x)?;
    /// let means = net.global_pool(maps[0])?;
    /// let plan = Plan::new(net.build(&[means]), &[1, 3, 64, 64], &options)?;
    /// let x = Tensor::zeros((1, 3, 64, 64), DType::F32, &Device::Cpu)?;
    /// assert_eq!(plan.forward(&x)?.dims(), [1, 112]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lower(&self, net: &mut NetworkBuilder, x: Value) -> Result<Vec<Value>> {
        let values = self.trunk.lower(net, x, &self.nodes)?;
        Ok(self.order.iter().map(|&i| values[i]).collect())
    }

    /// Adds this pyramid to a network in training whose input is `x`; the levels in their order.
    ///
    /// # Errors
    /// Weights that are not f32 on a CPU.
    pub fn lower_t(
        &self,
        net: &mut TrainingBuilder,
        x: training::Value,
    ) -> Result<Vec<training::Value>> {
        let values = self.trunk.lower_t(net, x, &self.nodes)?;
        Ok(self.order.iter().map(|&i| values[i]).collect())
    }

    /// Channels of the input.
    ///
    /// # Errors
    /// What candle says of the stem's weight.
    pub fn in_channels(&self) -> Result<usize> {
        self.trunk.in_channels()
    }

    /// Sums V3's training branches into single convolutions, as [`crate::GhostNet::fuse`].
    ///
    /// # Errors
    /// What candle says of the arithmetic.
    pub fn fuse(&mut self) -> Result<()> {
        self.trunk.fuse()
    }
}

impl Backbone for Pyramid {
    fn feature_info(&self) -> &[FeatureInfo] {
        &self.info
    }

    fn features_t(&self, x: &Tensor, train: bool) -> Result<Vec<Tensor>> {
        let maps = self.trunk.forward_t(x, &self.nodes, train)?;
        Ok(self.order.iter().map(|&i| maps[i].clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_strides_of_both_conventions() {
        let look = |taps: Taps, width| {
            let info = taps.feature_info(&Config::v2(width), &Level::ALL);
            let names: Vec<_> = info.iter().map(|i| i.name.clone()).collect();
            let numbers: Vec<_> = info.iter().map(|i| (i.channels, i.stride)).collect();
            (names, numbers)
        };
        let (names, numbers) = look(Taps::Timm, 1.3);
        assert_eq!(names, ["conv_stem", "blocks.1", "blocks.3", "blocks.5", "blocks.7"]);
        assert_eq!(numbers, [(20, 2), (32, 4), (52, 8), (104, 16), (208, 32)]);
        let (names, numbers) = look(Taps::StageEnds, 1.6);
        assert_eq!(names, ["blocks.0", "blocks.2", "blocks.4", "blocks.6", "blocks.8"]);
        assert_eq!(numbers, [(24, 2), (40, 4), (64, 8), (180, 16), (256, 32)]);
    }
}
