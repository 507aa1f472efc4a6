//! The whole detector: backbone, pyramid, towers.

use super::GroundTruth;
use super::{DetectorPlan, Head, Losses, RawOutputs, RetinaNetConfig, names};
use crate::backbone::timm;
use crate::boxes::Detections;
use crate::fpn::Fpn;
use crate::placement::Batch;
use candle::{DType, Device, Result, Tensor, TensorId, bail};
use candle_nn::VarBuilder;
use engine::plan::NetworkBuilder;
use ghostnetv2::training::{TrainingBuilder, TrainingGraph};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Plan, PlanOptions, Pyramid};
use std::collections::HashSet;

/// The maps that a RetinaNet stands on.
const LEVELS: [Level; 3] = [Level::C3, Level::C4, Level::C5];

/// A RetinaNet on any backbone that gives maps of strides 8, 16 and 32.
///
/// # Example
/// An untrained one, which knows that objects are rare and so finds none:
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use heads::placement::Batch;
/// use heads::retinanet::{RetinaNet, RetinaNetConfig};
/// # fn main() -> candle::Result<()> {
/// let weights = VarMap::new();
/// let vb = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
/// let config = RetinaNetConfig { classes: 3, channels: 64, ..RetinaNetConfig::lite() };
/// let detector = RetinaNet::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
/// let x = Tensor::zeros((2, 3, 64, 96), DType::F32, &Device::Cpu)?;
/// let found = detector.detect_batch(&Batch::of_inputs(x)?)?;
/// assert!(found.len() == 2 && found[0].is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RetinaNet<B = Pyramid> {
    config: RetinaNetConfig,
    backbone: B,
    fpn: Fpn,
    head: Head,
}

impl RetinaNet {
    /// A RetinaNet on a GhostNet.
    ///
    /// # Errors
    /// What [`RetinaNetConfig::check`] and [`Config::check`] refuse, or what `vb` says of a weight.
    pub fn ghostnet(config: &RetinaNetConfig, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let body = timm(vb.pp(config.names.backbone()));
        Self::new(config, Pyramid::new(backbone, config.taps, &LEVELS, body)?, vb)
    }

    /// A RetinaNet on a GhostNet with the weights of a checkpoint, which must have all of them and
    /// nothing else. Batch-norms and so on have timm's names under the backbone's; the number of
    /// classes is `config`'s, see [`RetinaNetConfig::with_classes_of`].
    ///
    /// # Errors
    /// As [`RetinaNet::ghostnet`]; [`ghostnetv2::Error::Mismatch`] with everything that is missing,
    /// unexpected or of another shape.
    pub fn load(
        config: &RetinaNetConfig,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        checkpoint.load(DType::F32, device, |vb| Self::ghostnet(config, backbone, vb))
    }

    /// A plan of this detector for a CPU, from pixels to raw outputs, laid out for inputs of
    /// `shape` `[B, 3, H, W]`. It is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use ghostnetv2::PlanOptions;
    /// use heads::placement::Batch;
    /// use heads::retinanet::{RetinaNet, RetinaNetConfig};
    /// # fn main() -> candle::Result<()> {
    /// let vb = heads::Seeded::new(7).var_builder(DType::F32, &Device::Cpu);
    /// let config = RetinaNetConfig { channels: 64, ..RetinaNetConfig::lite() };
    /// let detector = RetinaNet::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
    /// let plan = detector.plan(&[1, 3, 96, 96], &PlanOptions::default())?;
    /// let x = Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?;
    /// assert_eq!(plan.forward(&x)?.logits[0].dims(), [1, 9 * 80, 8, 12]);
    /// assert!(plan.detect_batch(&Batch::of_inputs(x)?)?[0].is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<DetectorPlan> {
        let (mut net, x) = NetworkBuilder::new(options, self.backbone.in_channels()?);
        let maps = self.backbone.lower(&mut net, x)?;
        let maps = self.fpn.lower(&mut net, &maps)?;
        let outputs = self.head.lower(&mut net, &maps)?;
        let plan = Plan::new(net.build(&outputs), shape, options)?;
        Ok(DetectorPlan::new(self.config.clone(), plan))
    }

    /// This detector in training on a CPU, many times faster than candle's `backward`: gradients for
    /// the tensors in `learning`. The outputs are the logits of all levels, then their differences,
    /// see [`RawOutputs`].
    ///
    /// # Errors
    /// Weights that are not f32 on a CPU.
    pub fn training_graph(&self, learning: &HashSet<TensorId>) -> Result<TrainingGraph> {
        let channels = self.backbone.in_channels()?;
        let (mut net, x) = TrainingBuilder::new(channels, learning);
        let maps = self.backbone.lower_t(&mut net, x)?;
        let maps = self.fpn.lower_t(&mut net, &maps)?;
        let outputs = self.head.lower_t(&mut net, &maps)?;
        Ok(net.build(&outputs, false))
    }
}

impl<B: Backbone> RetinaNet<B> {
    /// A RetinaNet on a backbone that exists; `vb` is the root that its preset's names lie under.
    ///
    /// # Errors
    /// A backbone of other levels, what [`RetinaNetConfig::check`] refuses, or what `vb` says of a
    /// weight.
    pub fn new(config: &RetinaNetConfig, backbone: B, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let info = backbone.feature_info();
        let strides: Vec<_> = info.iter().map(|info| info.stride).collect();
        if strides != [8, 16, 32] {
            bail!("a RetinaNet on maps of strides {strides:?}: expected [8, 16, 32]")
        }
        let channels: Vec<_> = info.iter().map(|info| info.channels).collect();
        let fpn = Fpn::new(&config.fpn(), &channels, names::fpn(config.names, &vb))?;
        let head = config.head()?;
        if fpn.levels() != head.levels {
            bail!("anchors for {} levels: expected {}", head.levels, fpn.levels())
        }
        let head = Head::new(&head, names::head(config.names, &vb))?;
        Ok(Self { config: config.clone(), backbone, fpn, head })
    }

    /// What it looks like.
    pub fn config(&self) -> &RetinaNetConfig {
        &self.config
    }

    /// The backbone.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// Logits and differences at each level.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → see [`RawOutputs`].
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<RawOutputs> {
        let maps = self.backbone.features_t(x, train)?;
        self.head.forward_t(&self.fpn.forward_t(&maps, train)?, train)
    }

    /// What is in each picture of a batch, in its own pixels.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn detect_batch(&self, batch: &Batch) -> Result<Vec<Detections>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        self.detections(&self.forward_t(&batch.pixels, false)?, batch)
    }

    /// What is in each picture of a batch, from the raw outputs for it.
    ///
    /// # Errors
    /// Outputs of another batch, or of other anchors.
    pub fn detections(&self, raw: &RawOutputs, batch: &Batch) -> Result<Vec<Detections>> {
        self.config.detections(raw, batch)
    }

    /// As [`RetinaNetConfig::losses`].
    ///
    /// # Errors
    /// As there.
    pub fn loss(
        &self,
        raw: &RawOutputs,
        batch: &Batch,
        truths: &[Vec<GroundTruth>],
    ) -> Result<Losses> {
        self.config.losses(raw, batch, truths)
    }
}
