//! The whole detector: backbone, pyramid, towers.

use super::objective::{self, GroundTruth};
use super::postprocess::LevelOutputs;
use super::{Head, Losses, RawOutputs, RetinaNetConfig, names};
use crate::backbone::timm;
use crate::boxes::Detections;
use crate::fpn::Fpn;
use crate::placement::Batch;
use candle::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Pyramid};

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
        let levels = self.config.anchors.levels(batch.size()?, &raw.cells()?)?;
        let (logits, deltas) = (values(&raw.logits)?, values(&raw.deltas)?);
        let pictures = batch.placements.len();
        let share = |values: &'_ [f32]| values.len() / pictures.max(1);
        let of_picture = |(i, placement)| {
            let part = |(logits, deltas): (&'_ Vec<f32>, &'_ Vec<f32>)| {
                let (n, m) = (share(logits), share(deltas));
                (i * n..(i + 1) * n, i * m..(i + 1) * m)
            };
            let outputs = logits.iter().zip(&deltas).map(|level| {
                let (n, m) = part(level);
                LevelOutputs { logits: &level.0[n], deltas: &level.1[m] }
            });
            let outputs: Vec<_> = outputs.collect();
            self.config.postprocess.run(&outputs, &levels, self.config.coder, placement)
        };
        batch.placements.iter().enumerate().map(of_picture).collect()
    }

    /// What a batch teaches: ground truth is given for each picture, and may be empty.
    ///
    /// # Errors
    /// Boxes without area or of classes that there are not; outputs of another batch.
    pub fn loss(
        &self,
        raw: &RawOutputs,
        batch: &Batch,
        truths: &[Vec<GroundTruth>],
    ) -> Result<Losses> {
        objective::losses(&self.config, raw, batch, truths)
    }
}

/// The values of each level in memory.
fn values(maps: &[Tensor]) -> Result<Vec<Vec<f32>>> {
    let values = |map: &Tensor| {
        map.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()
    };
    maps.iter().map(values).collect()
}
