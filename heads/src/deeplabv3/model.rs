//! The whole network: backbone and head.

use super::head::Head;
use super::{DeepLabV3Config, DeepLabV3Plan};
use crate::backbone::timm;
use crate::layers::only;
use crate::placement::Batch;
use crate::segmentation::{LabelMap, Sliding, slide};
use candle::{DType, Device, Result, Tensor, TensorId, bail};
use candle_nn::VarBuilder;
use engine::plan::NetworkBuilder;
use ghostnetv2::training::{TrainingBuilder, TrainingGraph};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Plan, PlanOptions, Pyramid};
use std::collections::HashSet;

/// What mmsegmentation has in its checkpoints for a second loss in training, and nowhere else.
const AUXILIARY: &str = "auxiliary_head.";

/// A DeepLabV3 on any backbone that gives one map of its output stride.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use heads::deeplabv3::{DeepLabV3, DeepLabV3Config};
/// use heads::placement::Batch;
/// # fn main() -> candle::Result<()> {
/// let vb = heads::Seeded::new(7).var_builder(DType::F32, &Device::Cpu);
/// let config = DeepLabV3Config { classes: 3, channels: 8, ..DeepLabV3Config::mmseg() };
/// let network = DeepLabV3::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
/// let x = Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?;
/// assert_eq!(network.forward_t(&x, false)?.dims(), [1, 3, 8, 12]);
/// let maps = network.segment_batch(&Batch::of_inputs(x)?)?;
/// assert_eq!(maps[0].size(), (64, 96));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DeepLabV3<B = Pyramid> {
    config: DeepLabV3Config,
    backbone: B,
    head: Head,
}

impl DeepLabV3 {
    /// A DeepLabV3 on a GhostNet, whose output stride is that of `config`.
    ///
    /// # Errors
    /// What [`DeepLabV3Config::check`] and [`Config::check`] refuse, or what `vb` says of a weight.
    pub fn ghostnet(config: &DeepLabV3Config, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let backbone = Config { output_stride: config.output_stride, ..backbone.clone() };
        let body = timm(vb.pp(config.backbone()));
        Self::new(config, Pyramid::new(&backbone, config.taps, &[Level::C5], body)?, vb)
    }

    /// A DeepLabV3 on a GhostNet with the weights of a checkpoint, which must have all of them and
    /// nothing else, but that an auxiliary head is passed by; the number of classes is `config`'s,
    /// see [`DeepLabV3Config::with_classes_of`].
    ///
    /// # Errors
    /// As [`DeepLabV3::ghostnet`]; [`ghostnetv2::Error::Mismatch`] with everything that is missing,
    /// unexpected or of another shape.
    pub fn load(
        config: &DeepLabV3Config,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        let needed = |name: &str| !name.starts_with(AUXILIARY);
        let build = |vb: VarBuilder| Self::ghostnet(config, backbone, vb);
        checkpoint.load_part(needed, DType::F32, device, build)
    }

    /// A plan of this network for a CPU, from pixels to logits, laid out for inputs of `shape`
    /// `[B, 3, H, W]`. It is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<DeepLabV3Plan> {
        let (mut net, x) = NetworkBuilder::new(options, self.backbone.in_channels()?);
        let map = only(&self.backbone.lower(&mut net, x)?)?;
        let logits = self.head.lower(&mut net, map)?;
        let plan = Plan::new(net.build(&[logits]), shape, options)?;
        Ok(DeepLabV3Plan::new(self.config.clone(), plan))
    }

    /// This network in training on a CPU, many times faster than candle's `backward`: logits as
    /// [`DeepLabV3::forward_t`] gives them, and gradients for the tensors in `learning`. There is
    /// no auxiliary head.
    ///
    /// # Errors
    /// Weights that are not f32 on a CPU.
    pub fn training_graph(&self, learning: &HashSet<TensorId>) -> Result<TrainingGraph> {
        let channels = self.backbone.in_channels()?;
        let (mut net, x) = TrainingBuilder::new(channels, learning);
        let map = only(&self.backbone.lower_t(&mut net, x)?)?;
        let logits = self.head.lower_t(&mut net, map)?;
        Ok(net.build(&[logits], false))
    }
}

impl<B: Backbone> DeepLabV3<B> {
    /// A DeepLabV3 on a backbone that exists; `vb` is the root that mmsegmentation's names lie
    /// under.
    ///
    /// # Errors
    /// A backbone of other maps than one of the output stride, what [`DeepLabV3Config::check`]
    /// refuses, or what `vb` says of a weight.
    pub fn new(config: &DeepLabV3Config, backbone: B, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let [info] = backbone.feature_info() else {
            bail!("a DeepLabV3 on {} maps: expected 1", backbone.feature_info().len())
        };
        if info.stride != config.output_stride {
            let expected = config.output_stride;
            bail!("a DeepLabV3 on a map of stride {}: expected {expected}", info.stride)
        }
        let head = Head::new(config, info.channels, &vb.pp("decode_head"))?;
        Ok(Self { config: config.clone(), backbone, head })
    }

    /// What it looks like.
    pub fn config(&self) -> &DeepLabV3Config {
        &self.config
    }

    /// The backbone.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// Logits at the backbone's output stride `s`.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, classes, ceil(H / s), ceil(W / s)]`.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self.backbone.features_t(x, train)?.as_slice() {
            [map] => self.head.forward_t(map, train),
            maps => bail!("a DeepLabV3 on {} maps: expected 1", maps.len()),
        }
    }

    /// The classes of each picture's own pixels.
    ///
    /// # Errors
    /// An input that the backbone can't take, or weights that give no numbers.
    pub fn segment_batch(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.config.label_maps(&self.forward_t(&batch.pixels, false)?, batch)
    }

    /// [`DeepLabV3::segment_batch`] with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        let reading = (self.config.classes, false);
        slide(reading, batch, sliding, |window| self.forward_t(window, false))
    }
}
