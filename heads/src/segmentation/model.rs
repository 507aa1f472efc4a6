//! The whole network: backbone, pyramid, head.

use super::head::Head;
use super::{LabelMap, SegmenterPlan, SemanticFpnConfig, Sliding, names, slide};
use crate::backbone::timm;
use crate::fpn::Fpn;
use crate::placement::Batch;
use candle::{DType, Device, Result, Tensor, TensorId, bail};
use candle_nn::VarBuilder;
use engine::plan::NetworkBuilder;
use ghostnetv2::training::{TrainingBuilder, TrainingGraph};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Plan, PlanOptions, Pyramid};
use std::collections::HashSet;

/// The maps that a Semantic FPN stands on.
const LEVELS: [Level; 4] = [Level::C2, Level::C3, Level::C4, Level::C5];

/// A Semantic FPN on any backbone that gives maps of strides 4 to 32.
///
/// # Example
/// An untrained one:
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use heads::placement::Batch;
/// use heads::segmentation::{SemanticFpn, SemanticFpnConfig};
/// # fn main() -> candle::Result<()> {
/// let weights = VarMap::new();
/// let vb = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
/// let config = SemanticFpnConfig { classes: 3, channels: 16, ..SemanticFpnConfig::lite() };
/// let network = SemanticFpn::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
/// let x = Tensor::rand(-1f32, 1., (1, 3, 64, 96), &Device::Cpu)?;
/// assert_eq!(network.forward_t(&x, false)?.dims(), [1, 3, 16, 24]);
/// let maps = network.segment_batch(&Batch::of_inputs(x)?)?;
/// assert_eq!(maps[0].size(), (64, 96));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SemanticFpn<B = Pyramid> {
    config: SemanticFpnConfig,
    backbone: B,
    fpn: Fpn,
    head: Head,
}

impl SemanticFpn {
    /// A Semantic FPN on a GhostNet.
    ///
    /// # Errors
    /// What [`SemanticFpnConfig::check`] and [`Config::check`] refuse, or what `vb` says of a
    /// weight.
    pub fn ghostnet(config: &SemanticFpnConfig, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let body = timm(vb.pp(config.names.backbone()));
        Self::new(config, Pyramid::new(backbone, config.taps, &LEVELS, body)?, vb)
    }

    /// A Semantic FPN on a GhostNet with the weights of a checkpoint, which must have all of them
    /// and nothing else; the number of classes is `config`'s, see
    /// [`SemanticFpnConfig::with_classes_of`].
    ///
    /// # Errors
    /// As [`SemanticFpn::ghostnet`]; [`ghostnetv2::Error::Mismatch`] with everything that is
    /// missing, unexpected or of another shape.
    pub fn load(
        config: &SemanticFpnConfig,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        checkpoint.load(DType::F32, device, |vb| Self::ghostnet(config, backbone, vb))
    }

    /// A plan of this network for a CPU, from pixels to logits, laid out for inputs of `shape`
    /// `[B, 3, H, W]`. It is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use ghostnetv2::PlanOptions;
    /// use heads::segmentation::{SemanticFpn, SemanticFpnConfig};
    /// # fn main() -> candle::Result<()> {
    /// let vb = heads::Seeded::new(7).var_builder(DType::F32, &Device::Cpu);
    /// let config = SemanticFpnConfig { classes: 3, channels: 16, ..SemanticFpnConfig::lite() };
    /// let network = SemanticFpn::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
    /// let plan = network.plan(&[1, 3, 96, 96], &PlanOptions::default())?;
    /// let x = Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?;
    /// assert_eq!(plan.forward(&x)?.dims(), [1, 3, 16, 24]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<SegmenterPlan> {
        let (mut net, x) = NetworkBuilder::new(options, self.backbone.in_channels()?);
        let maps = self.backbone.lower(&mut net, x)?;
        let maps = self.fpn.lower(&mut net, &maps)?;
        let logits = self.head.lower(&mut net, &maps)?;
        let plan = Plan::new(net.build(&[logits]), shape, options)?;
        Ok(SegmenterPlan::new(self.config.clone(), plan))
    }

    /// This network in training on a CPU, many times faster than candle's `backward`: logits at a
    /// quarter of the input's size, and gradients for the tensors in `learning`.
    ///
    /// # Errors
    /// Weights that are not f32 on a CPU.
    pub fn training_graph(&self, learning: &HashSet<TensorId>) -> Result<TrainingGraph> {
        let channels = self.backbone.in_channels()?;
        let (mut net, x) = TrainingBuilder::new(channels, learning);
        let maps = self.backbone.lower_t(&mut net, x)?;
        let maps = self.fpn.lower_t(&mut net, &maps)?;
        let logits = self.head.lower_t(&mut net, &maps)?;
        Ok(net.build(&[logits], false))
    }
}

impl<B: Backbone> SemanticFpn<B> {
    /// A Semantic FPN on a backbone that exists; `vb` is the root that its preset's names lie
    /// under.
    ///
    /// # Errors
    /// A backbone of other levels, what [`SemanticFpnConfig::check`] refuses, or what `vb` says of
    /// a weight.
    pub fn new(config: &SemanticFpnConfig, backbone: B, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let info = backbone.feature_info();
        let strides: Vec<_> = info.iter().map(|info| info.stride).collect();
        if strides != [4, 8, 16, 32] {
            bail!("a Semantic FPN on maps of strides {strides:?}: expected [4, 8, 16, 32]")
        }
        let channels: Vec<_> = info.iter().map(|info| info.channels).collect();
        let fpn = Fpn::new(&config.fpn(), &channels, names::fpn(config.names, &vb))?;
        let head = Head::new(config, fpn.levels(), &vb)?;
        Ok(Self { config: config.clone(), backbone, fpn, head })
    }

    /// What it looks like.
    pub fn config(&self) -> &SemanticFpnConfig {
        &self.config
    }

    /// The backbone.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// Logits at a quarter of the input's size.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, classes, ceil(H / 4), ceil(W / 4)]`.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let maps = self.backbone.features_t(x, train)?;
        self.head.forward_t(&self.fpn.forward_t(&maps, train)?, train)
    }

    /// The classes of each picture's own pixels.
    ///
    /// # Errors
    /// An input that the backbone can't take, or weights that give no numbers.
    pub fn segment_batch(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.label_maps(&self.forward_t(&batch.pixels, false)?, batch)
    }

    /// The classes of each picture's own pixels, from the logits of the batch: resized to the
    /// input, freed of padding, resized to the picture; then the highest wins.
    ///
    /// # Errors
    /// Logits of another batch, or such that are no numbers.
    pub fn label_maps(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.config.label_maps(logits, batch)
    }

    /// [`SemanticFpn::segment_batch`] with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        let reading = (self.config.classes, self.config.align_corners);
        slide(reading, batch, sliding, |window| self.forward_t(window, false))
    }
}
