//! GhostNet V1, V2 and V3 as candle modules.
//!
//! # Source
//! GhostNet (arXiv 1911.11907), GhostNetV2 (arXiv 2211.12905), GhostNetV3 (arXiv 2404.11202).
//! Structure, names and numbers follow timm's `models/ghostnet.py`, whose checkpoints load
//! unchanged. Differences from the papers, shared with timm: DFC attention pools by the mean and
//! upsamples by the nearest pixel; it sits only on the expanding ghost module, and not in the
//! first two bottlenecks; squeeze-and-excitation gates with a hard sigmoid.

mod bottleneck;
mod dfc;
mod ghost_module;
mod head;
mod layers;
mod reparam;
mod squeeze_excite;
mod trunk;

pub(crate) use trunk::{Node, Trunk};

use crate::config::{Config, Version};
use crate::gpu::Program;
use crate::plan::Plan;
use crate::pyramid::{Level, Pyramid, Taps};
use crate::training::{TrainingBuilder, TrainingGraph};
#[cfg(feature = "cuda")]
use candle::{DType, Device};
use candle::{Result, Tensor, TensorId, bail};
use candle_nn::{Func, ModuleT, VarBuilder};
use engine::plan::{NetworkBuilder, PlanOptions};
use head::ClassifierHead;
use std::collections::HashSet;

/// A GhostNet classifier: trunk and head.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use ghostnetv2::{Config, GhostNet};
/// # fn main() -> candle::Result<()> {
/// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
/// let model = GhostNet::new(&Config::v2(1.0), 1000, vb)?;
/// let logits = model.forward(&Tensor::zeros((1, 3, 64, 64), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(logits.dims(), [1, 1000]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GhostNet {
    config: Config,
    trunk: Trunk,
    head: ClassifierHead,
}

impl GhostNet {
    /// A classifier with weights under timm's names.
    ///
    /// # Errors
    /// A configuration that [`Config::check`] refuses, no classes, or what `vb` says of a weight.
    pub fn new(cfg: &Config, classes: usize, vb: VarBuilder) -> Result<Self> {
        check_classes(classes)?;
        Self::build(cfg, Some(classes), vb)
    }

    /// Without `classifier`: gives the 1280 features that it would read.
    ///
    /// # Errors
    /// As [`GhostNet::new`].
    pub fn no_final_layer(cfg: &Config, vb: VarBuilder) -> Result<Self> {
        Self::build(cfg, None, vb)
    }

    fn build(cfg: &Config, classes: Option<usize>, vb: VarBuilder) -> Result<Self> {
        let trunk = Trunk::new(cfg, Node::LAST, &vb)?;
        Ok(Self { config: cfg.clone(), trunk, head: ClassifierHead::new(cfg, classes, &vb)? })
    }

    /// Class scores in evaluation: `[B, 3, H, W]` → `[B, classes]`.
    ///
    /// # Errors
    /// An input of other channels, or a side below [`crate::MIN_SIDE`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, false)
    }

    /// What this network was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sums V3's training branches into single convolutions: the same outputs in evaluation up
    /// to rounding, for a third of the work. Does nothing for V1 and V2.
    ///
    /// # Errors
    /// What candle says of the arithmetic.
    pub fn fuse(&mut self) -> Result<()> {
        self.config.reparameterized = self.config.version == Version::V3;
        self.trunk.fuse()
    }

    /// The feature pyramid of this network, sharing its weights.
    pub fn pyramid(&self, taps: Taps, levels: &[Level]) -> Pyramid {
        Pyramid::from_trunk(&self.config, self.trunk.clone(), taps, levels)
    }

    /// A plan of this network for a CPU, laid out for inputs of `shape` `[B, 3, H, W]`; it gives the
    /// class scores. The plan is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use candle_nn::VarBuilder;
    /// use ghostnetv2::{Config, GhostNet, PlanOptions};
    /// # fn main() -> candle::Result<()> {
    /// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    /// let model = GhostNet::new(&Config::v2(1.0), 1000, vb)?;
    /// let plan = model.plan(&[1, 3, 64, 64], &PlanOptions::default())?;
    /// let x = Tensor::zeros((1, 3, 64, 64), DType::F32, &Device::Cpu)?;
    /// assert_eq!(plan.forward(&x)?.dims(), [1, 1000]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<Plan> {
        let (mut net, x) = NetworkBuilder::new(options, self.config.in_channels);
        let maps = self.trunk.lower(&mut net, x, &[Node::LAST])?;
        let Some(&last) = maps.last() else { bail!("no map was computed") };
        let scores = self.head.lower(&mut net, last)?;
        Plan::new(net.build(&[scores]), shape, options)
    }

    /// A plan straight from the weights: the same as [`GhostNet::new`] and then
    /// [`GhostNet::plan`], but block by block, so that the network's tensors are never in memory
    /// all together. V3's branches are summed.
    ///
    /// # Errors
    /// As these two.
    pub fn plan_from(
        cfg: &Config,
        classes: usize,
        vb: VarBuilder,
        shape: &[usize; 4],
        options: &PlanOptions,
    ) -> Result<Plan> {
        check_classes(classes)?;
        let (mut net, x) = NetworkBuilder::new(options, cfg.in_channels);
        let maps = Trunk::lower_from(cfg, &vb, &mut net, x, &[Node::LAST])?;
        let Some(&last) = maps.last() else { bail!("no map was computed") };
        let scores = ClassifierHead::lower_from(cfg, classes, &vb, &mut net, last)?;
        Plan::new(net.build(&[scores]), shape, options)
    }

    /// This network as a list of launches for a GPU, for inputs of `shape` `[B, 3, H, W]`; see
    /// [`gpu`](crate::gpu). It can be made on any machine.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device};
    /// use candle_nn::VarBuilder;
    /// use ghostnetv2::{Config, GhostNet};
    /// # fn main() -> candle::Result<()> {
    /// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    /// let program = GhostNet::new(&Config::v2(1.0), 1000, vb)?.gpu_program([1, 3, 224, 224])?;
    /// assert!(program.steps().len() <= 130);
    /// # Ok(())
    /// # }
    /// ```
    pub fn gpu_program(&self, shape: [usize; 4]) -> Result<Program> {
        let (mut net, x) = NetworkBuilder::recording(self.trunk.in_channels()?);
        let maps = self.trunk.lower(&mut net, x, &[Node::LAST])?;
        let Some(&last) = maps.last() else { bail!("no map was computed") };
        let scores = self.head.lower(&mut net, last)?;
        Program::new(&net.build(&[scores]), shape)
    }

    /// [`GhostNet::gpu_program`] on a CUDA device, with weights and maps in `dtype`: f32, f16 or
    /// bf16.
    ///
    /// # Errors
    /// As there, a device that is no GPU, or what the device says.
    #[cfg(feature = "cuda")]
    pub fn cuda_plan(
        &self,
        shape: [usize; 4],
        dtype: DType,
        device: &Device,
    ) -> Result<crate::gpu::CudaPlan> {
        crate::gpu::CudaPlan::new(self.gpu_program(shape)?, dtype, device)
    }

    /// This network in training on a CPU, many times faster than candle's `backward`: class scores
    /// of batches of any size, and gradients for the tensors in `learning`.
    ///
    /// # Errors
    /// Weights that are not f32 on a CPU.
    pub fn training_graph(&self, learning: &HashSet<TensorId>) -> Result<TrainingGraph> {
        let (mut net, x) = TrainingBuilder::new(self.trunk.in_channels()?, learning);
        let maps = self.trunk.lower_t(&mut net, x, &[Node::LAST])?;
        let Some(&last) = maps.last() else { bail!("no map was computed") };
        let scores = self.head.lower_t(&mut net, last)?;
        Ok(net.build(&[scores], true))
    }

    /// All five pyramid levels and the class scores, in one pass.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → five maps as [`Pyramid`] gives them, and `[B, classes]`.
    ///
    /// # Errors
    /// An input of other channels, or a side below [`crate::MIN_SIDE`].
    pub fn forward_with_features(&self, x: &Tensor, taps: Taps) -> Result<(Vec<Tensor>, Tensor)> {
        let mut nodes = Level::ALL.map(|level| taps.node(level)).to_vec();
        if nodes.last() != Some(&Node::LAST) {
            nodes.push(Node::LAST);
        }
        let mut maps = self.trunk.forward_t(x, &nodes, false)?;
        let Some(last) = maps.last() else { bail!("no map was computed") };
        let logits = self.head.forward_t(last, false)?;
        maps.truncate(Level::ALL.len());
        Ok((maps, logits))
    }
}

impl ModuleT for GhostNet {
    /// `[B, 3, H, W]` → `[B, classes]`.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self.trunk.forward_t(x, &[Node::LAST], train)?.as_slice() {
            [last] => self.head.forward_t(last, train),
            _ => bail!("no map was computed"),
        }
    }
}

fn check_classes(classes: usize) -> Result<()> {
    if classes == 0 {
        bail!("0 classes: expected at least 1, or GhostNet::no_final_layer")
    }
    Ok(())
}

fn func(model: GhostNet) -> Func<'static> {
    Func::new(move |xs| model.forward(xs))
}

/// Refuses a configuration of another version than the function that was called.
fn expect(version: Version, cfg: &Config) -> Result<()> {
    if cfg.version != version {
        bail!("expected a {version:?} configuration, found {}", cfg.name())
    }
    Ok(())
}

/// GhostNet V1 with a classifier, in the form of the candle zoo.
///
/// # Errors
/// As [`GhostNet::new`]; a configuration of another version.
pub fn ghostnet(cfg: &Config, nclasses: usize, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V1, cfg)?;
    Ok(func(GhostNet::new(cfg, nclasses, vb)?))
}

/// GhostNet V1 up to the 1280 features before the classifier.
///
/// # Errors
/// As [`ghostnet`].
pub fn ghostnet_no_final_layer(cfg: &Config, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V1, cfg)?;
    Ok(func(GhostNet::no_final_layer(cfg, vb)?))
}

/// GhostNetV2 with a classifier, in the form of the candle zoo.
///
/// # Errors
/// As [`GhostNet::new`]; a configuration of another version.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::{Module, VarBuilder};
/// use ghostnetv2::{Config, ghostnetv2};
/// # fn main() -> candle::Result<()> {
/// let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
/// let model = ghostnetv2(&Config::v2(1.0), 1000, vb)?;
/// let logits = model.forward(&Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(logits.dims(), [1, 1000]);
/// # Ok(())
/// # }
/// ```
pub fn ghostnetv2(cfg: &Config, nclasses: usize, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V2, cfg)?;
    Ok(func(GhostNet::new(cfg, nclasses, vb)?))
}

/// GhostNetV2 up to the 1280 features before the classifier.
///
/// # Errors
/// As [`ghostnetv2()`].
pub fn ghostnetv2_no_final_layer(cfg: &Config, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V2, cfg)?;
    Ok(func(GhostNet::no_final_layer(cfg, vb)?))
}

/// GhostNetV3 with a classifier, in the form of the candle zoo; its branches are fused.
///
/// # Errors
/// As [`GhostNet::new`]; a configuration of another version.
pub fn ghostnetv3(cfg: &Config, nclasses: usize, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V3, cfg)?;
    let mut model = GhostNet::new(cfg, nclasses, vb)?;
    model.fuse()?;
    Ok(func(model))
}

/// GhostNetV3 up to the 1280 features before the classifier; its branches are fused.
///
/// # Errors
/// As [`ghostnetv3`].
pub fn ghostnetv3_no_final_layer(cfg: &Config, vb: VarBuilder) -> Result<Func<'static>> {
    expect(Version::V3, cfg)?;
    let mut model = GhostNet::no_final_layer(cfg, vb)?;
    model.fuse()?;
    Ok(func(model))
}
