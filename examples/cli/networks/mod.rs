//! Networks with a head: all kinds are built, computed and read in the same manner.

mod deeplabv3;
mod retinanet;
mod semantic_fpn;
mod yolov3;

use crate::compute::Compute;
use candle::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Plan, PlanOptions, Timings};
use heads::boxes::Detections;
use heads::placement::{Batch, InputConfig};
use heads::segmentation::{LabelMap, Sliding};

/// A kind of network with a head, on a GhostNet.
pub trait Network: Sized {
    /// What it looks like.
    type Config: Clone;
    /// It, laid out for a CPU.
    type Laid;
    /// What it computes of a batch.
    type Raw;
    /// What it says of a picture.
    type Answer;

    /// Of `vb`'s weights.
    ///
    /// # Errors
    /// What the configurations or `vb` refuse.
    fn build(config: &Self::Config, backbone: &Config, vb: VarBuilder) -> Result<Self>;

    /// Of a checkpoint's weights.
    ///
    /// # Errors
    /// Weights that do not fit: everything that is missing, unexpected or of another shape.
    fn load(
        config: &Self::Config,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, Error>;

    /// The same with as many classes as a checkpoint has.
    ///
    /// # Errors
    /// A head of another kind.
    fn with_classes_of(
        config: &Self::Config,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<Self::Config, Error>;

    /// Where the backbone's weights lie.
    fn backbone(config: &Self::Config) -> &'static str;

    /// From pictures to its input.
    fn input(config: &Self::Config) -> InputConfig;

    /// What it looks like.
    fn config(&self) -> &Self::Config;

    /// Computes on candle.
    ///
    /// # Errors
    /// An input that it can't take.
    fn forward(&self, x: &Tensor) -> Result<Self::Raw>;

    /// A plan for inputs of a shape.
    ///
    /// # Errors
    /// A shape that it can't take, or no memory.
    fn lay_out(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<Self::Laid>;

    /// The plan itself.
    fn plan(laid: &Self::Laid) -> &Plan;

    /// Computes by a plan, and adds the time of its steps to `timings`.
    ///
    /// # Errors
    /// An input that it can't take.
    fn forward_laid(
        laid: &Self::Laid,
        x: &Tensor,
        timings: Option<&mut Timings>,
    ) -> Result<Self::Raw>;

    /// What is in each picture of a batch, by a plan.
    ///
    /// # Errors
    /// An input that it can't take, weights that give no numbers.
    fn answers_laid(laid: &Self::Laid, batch: &Batch) -> Result<Vec<Self::Answer>>;

    /// The same from raw outputs.
    ///
    /// # Errors
    /// Raw outputs of something else, or such that are no numbers.
    fn answers(config: &Self::Config, raw: &Self::Raw, batch: &Batch) -> Result<Vec<Self::Answer>>;

    /// With all weights of a checkpoint and its number of classes, else with those that `drawn`
    /// gives for a backbone at this place.
    ///
    /// # Errors
    /// Weights that do not fit: everything that is missing, unexpected or of another shape.
    fn open(
        config: &Self::Config,
        backbone: &Config,
        checkpoint: Option<&Checkpoint>,
        device: &Device,
        drawn: impl FnOnce(&'static str) -> anyhow::Result<VarBuilder<'static>>,
    ) -> anyhow::Result<Self> {
        let Some(checkpoint) = checkpoint else {
            return Ok(Self::build(config, backbone, drawn(Self::backbone(config))?)?);
        };
        let config = Self::with_classes_of(config, checkpoint)?;
        Ok(Self::load(&config, backbone, checkpoint, device)?)
    }
}

/// A network that finds objects.
pub trait Detects: Network<Answer = Detections> {
    /// How many classes it tells apart.
    fn classes(config: &Self::Config) -> usize;

    /// Its raw outputs, by name.
    fn named(raw: &Self::Raw) -> Vec<(String, Tensor)>;
}

/// A network that tells the class of every pixel.
pub trait Segments: Network<Raw = Tensor, Answer = LabelMap> {
    /// How many classes it tells apart.
    fn classes(config: &Self::Config) -> usize;

    /// The classes of each picture's pixels, from windows that slide over the input.
    ///
    /// # Errors
    /// An input that it can't take, weights that give no numbers, windows that leave gaps.
    fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>>;

    /// The same by a plan.
    ///
    /// # Errors
    /// As there.
    fn slide_laid(laid: &Self::Laid, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>>;
}

/// A network that is ready to run.
pub struct Ready<N: Network> {
    config: N::Config,
    computes: Computes<N>,
}

enum Computes<N: Network> {
    /// Laid out for the CPU.
    Plan(Box<N::Laid>),
    /// On candle's operations, with the device that it is on.
    Candle(Box<N>, Device),
}

impl<N: Network> Ready<N> {
    /// `net`, laid out for `batch` pictures where a plan computes.
    ///
    /// # Errors
    /// No memory.
    pub fn new(net: N, compute: &Compute, batch: usize) -> Result<Self> {
        let config = net.config().clone();
        let computes = match compute {
            Compute::Plan(options) => {
                let shape = shape(&N::input(&config), batch);
                Computes::Plan(Box::new(net.lay_out(&shape, options)?))
            }
            Compute::Candle(device) => Computes::Candle(Box::new(net), device.clone()),
        };
        Ok(Self { config, computes })
    }

    /// What it looks like.
    pub fn config(&self) -> &N::Config {
        &self.config
    }

    /// Where inputs should be.
    pub fn device(&self) -> Device {
        match &self.computes {
            Computes::Plan(_) => Device::Cpu,
            Computes::Candle(_, device) => device.clone(),
        }
    }

    /// Raw outputs; plans add the time of their steps to `timings`.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> Result<N::Raw> {
        match &self.computes {
            Computes::Plan(laid) => N::forward_laid(laid, x, timings),
            Computes::Candle(net, _) => net.forward(x),
        }
    }

    /// What is in each picture of a batch, from the raw outputs for it.
    ///
    /// # Errors
    /// Weights that give no numbers.
    pub fn answers(&self, raw: &N::Raw, batch: &Batch) -> Result<Vec<N::Answer>> {
        N::answers(&self.config, raw, batch)
    }

    /// The same from the pictures, which is quicker where a plan need not write all raw outputs.
    ///
    /// # Errors
    /// As there; an input that the network can't take.
    pub fn answer(&self, batch: &Batch) -> Result<Vec<N::Answer>> {
        match &self.computes {
            Computes::Plan(laid) => N::answers_laid(laid, batch),
            Computes::Candle(net, _) => self.answers(&net.forward(&batch.pixels)?, batch),
        }
    }
}

impl<N: Segments> Ready<N> {
    /// As [`Ready::forward`] and [`Ready::answers`], with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        match &self.computes {
            Computes::Plan(laid) => N::slide_laid(laid, batch, sliding),
            Computes::Candle(net, _) => net.slide(batch, sliding),
        }
    }
}

/// What a plan is laid out for before it has seen a picture: square ones.
fn shape(input: &InputConfig, batch: usize) -> [usize; 4] {
    let (height, width) = input.place((input.short_side, input.short_side)).padded;
    [batch, 3, height, width]
}
