//! A Semantic FPN in training: what it sees, what it learns from that, and how well it does.

pub mod recipe;
mod task;

pub use task::SegmentationTask;

use crate::data::SegmentationSet;
use crate::dense::SegmentationAugment;
use crate::network::{Autograd, Named, Network, OnEngine};
use crate::{Random, Variables};
use candle::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::{Config, PlanOptions};
use heads::eval::segmentation::PixelCounts;
use heads::placement::Batch;
use heads::segmentation::{
    Average, LabelMap, SegmenterPlan, SemanticFpn, SemanticFpnConfig, cross_entropy,
};
use rayon::prelude::*;

/// Pictures that are scored together on a GPU, which has little to do with one.
const SCORED_ON_GPU: usize = 8;

/// A Semantic FPN in training.
#[derive(Clone, Debug)]
pub struct Segmenter {
    /// What it looks like; its input tells how pictures are scored.
    pub config: SemanticFpnConfig,
    /// What it stands on.
    pub backbone: Config,
    /// How pictures are changed before it sees them.
    pub augment: SegmentationAugment,
    /// What the loss is divided by.
    pub average: Average,
    /// Whether batch-norms, those of the head too, normalise by the means and variances that they
    /// have, which then stay.
    pub freeze_norms: bool,
}

/// A picture made ready, and the classes of its pixels.
#[derive(Clone, Debug)]
pub struct SegmentationSample {
    /// `[3, height, width]`, normalised.
    pub pixels: Vec<f32>,
    /// Of the same height and width.
    pub labels: LabelMap,
}

/// Pictures that a step learns from.
#[derive(Clone, Debug)]
pub struct SegmentationBatch {
    /// `[B, 3, height, width]`, normalised.
    pub pixels: Tensor,
    /// The classes of each picture's pixels.
    pub labels: Vec<LabelMap>,
}

impl Segmenter {
    /// The network, whose only output are logits at a quarter of the input's size.
    ///
    /// Channels are dropped in training on a CPU only: candle's random numbers can't be seeded on
    /// every device, and two runs would differ.
    ///
    /// # Errors
    /// A configuration that makes no network, weights that do not fit it.
    pub fn network(&self, variables: &Variables) -> Result<Box<dyn Network>> {
        let variables = &variables.clone().freeze_norms(self.freeze_norms);
        if variables.on_engine() {
            let net = SemanticFpn::ghostnet(&self.config, &self.backbone, variables.builder())?;
            let graph = |learning: &_| net.training_graph(learning);
            return Ok(Box::new(OnEngine::new(variables.vars(), graph)?));
        }
        let config = SemanticFpnConfig { dropout: 0.0, ..self.config.clone() };
        let net = SemanticFpn::ghostnet(&config, &self.backbone, variables.builder())?;
        let forward = move |x: &Tensor, _: u64| Ok(vec![net.forward_t(x, true)?]);
        Ok(Box::new(Autograd::new(variables.vars(), forward)))
    }

    /// Picture `i` of a data set, changed at random and made ready.
    ///
    /// # Errors
    /// A file that can't be read any more.
    pub fn sample(
        &self,
        set: &SegmentationSet,
        i: usize,
        random: &mut Random,
    ) -> Result<SegmentationSample> {
        let changed = self.augment.apply(&set.labelled(i)?, random)?;
        let pixels = self.config.input.on_canvas(&changed.picture, self.augment.crop.size)?;
        Ok(SegmentationSample { pixels, labels: changed.labels })
    }

    /// Samples as one batch, in memory.
    ///
    /// # Errors
    /// None in practice: samples are as large as the input.
    pub fn batch(&self, samples: Vec<SegmentationSample>) -> Result<SegmentationBatch> {
        let (height, width) = self.augment.crop.size;
        let shape = (samples.len(), 3, height, width);
        let mut pixels = Vec::with_capacity(samples.len() * 3 * height * width);
        let mut labels = Vec::with_capacity(samples.len());
        for sample in samples {
            pixels.extend(sample.pixels);
            labels.push(sample.labels);
        }
        Ok(SegmentationBatch { pixels: Tensor::from_vec(pixels, shape, &Device::Cpu)?, labels })
    }

    /// What the outputs of [`Segmenter::network`] for a batch are worth.
    ///
    /// # Errors
    /// Outputs of another batch.
    pub fn loss(&self, outputs: &[Tensor], batch: &SegmentationBatch) -> Result<Tensor> {
        let [logits] = outputs else {
            candle::bail!("{} outputs of a segmentation network: expected 1", outputs.len())
        };
        cross_entropy(logits, &batch.labels, self.config.align_corners, self.average)
    }

    /// Intersections over unions on a data set, with weights by their names.
    ///
    /// # Errors
    /// Weights that are missing, files that can't be read any more.
    pub fn evaluate(
        &self,
        set: &SegmentationSet,
        weights: &Named<Tensor>,
        device: &Device,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<PixelCounts> {
        let weights = weights.clone().into_iter().collect();
        let vb = VarBuilder::from_tensors(weights, DType::F32, device);
        let net = SemanticFpn::ghostnet(&self.config, &self.backbone, vb)?;
        let ready = match device {
            Device::Cpu => {
                let side = self.config.input.short_side;
                let (height, width) = self.config.input.place((side, side)).padded;
                let shape = [1, 3, height, width];
                Ready::Plan(Box::new(net.plan(&shape, &PlanOptions::default())?))
            }
            _ => Ready::Candle(Box::new(net)),
        };
        let mut counts = PixelCounts::new(self.config.classes);
        let together = if device.is_cpu() { 1 } else { SCORED_ON_GPU };
        let numbers: Vec<usize> = (0..set.len()).collect();
        for part in numbers.chunks(together) {
            let read = |&i: &usize| {
                let picture = set.pictures().get(i).map_err(candle::Error::wrap)?;
                Ok((picture.into_owned(), set.labels(i).map_err(candle::Error::wrap)?))
            };
            let read: Result<Vec<_>> = part.par_iter().map(read).collect();
            let (pictures, truths): (Vec<_>, Vec<_>) = read?.into_iter().unzip();
            let batch = self.config.input.batch(&pictures, device)?;
            for (map, truth) in ready.segment(&batch)?.iter().zip(&truths) {
                counts.add(map, truth)?;
            }
            progress(part.last().map_or(0, |last| last + 1), set.len());
        }
        Ok(counts)
    }
}

/// A network ready to be scored.
enum Ready {
    Plan(Box<SegmenterPlan>),
    Candle(Box<SemanticFpn>),
}

impl Ready {
    fn segment(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        match self {
            Self::Plan(plan) => plan.segment_batch(batch),
            Self::Candle(net) => net.segment_batch(batch),
        }
    }
}
