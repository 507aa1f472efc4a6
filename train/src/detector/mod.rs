//! A RetinaNet in training: what it sees, what it learns from that, and how well it does.

pub mod recipe;
mod task;

pub use task::DetectionTask;

use crate::data::DetectionSet;
use crate::dense::DetectionAugment;
use crate::network::{Autograd, Named, Network, OnEngine};
use crate::{Random, Variables};
use candle::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::{Config, PlanOptions};
use heads::boxes::{Detection, Detections};
use heads::data::coco_results::CocoResult;
use heads::eval::coco::Evaluation;
use heads::placement::{Batch, Size};
use heads::retinanet::{DetectorPlan, GroundTruth, Losses, RawOutputs, RetinaNet, RetinaNetConfig};
use rayon::prelude::*;

/// Pictures that are scored together.
const SCORED: usize = 8;

/// A RetinaNet in training.
#[derive(Clone, Debug)]
pub struct Detector {
    /// What it looks like; its input tells how pictures are scored.
    pub config: RetinaNetConfig,
    /// What it stands on.
    pub backbone: Config,
    /// How pictures are changed before it sees them.
    pub augment: DetectionAugment,
    /// Height and width of the input that it is trained on.
    pub size: Size,
    /// Whether batch-norms, those of the head too, normalise by the means and variances that they
    /// have, which then stay.
    pub freeze_norms: bool,
}

/// A picture made ready, and what is to be found in it.
#[derive(Clone, Debug)]
pub struct DetectionSample {
    /// `[3, height, width]`, normalised.
    pub pixels: Vec<f32>,
    /// In pixels of the input.
    pub objects: Vec<GroundTruth>,
}

/// Pictures that a step learns from.
#[derive(Clone, Debug)]
pub struct DetectionBatch {
    /// `[B, 3, height, width]`, normalised.
    pub pixels: Tensor,
    /// What is to be found in each picture, in pixels of the input.
    pub objects: Vec<Vec<GroundTruth>>,
}

impl Detector {
    /// The network, whose outputs are the logits of all levels, then their differences.
    ///
    /// # Errors
    /// A configuration that makes no network, weights that do not fit it.
    pub fn network(&self, variables: &Variables) -> Result<Box<dyn Network>> {
        let variables = &variables.clone().freeze_norms(self.freeze_norms);
        let net = RetinaNet::ghostnet(&self.config, &self.backbone, variables.builder())?;
        if variables.on_engine() {
            let graph = |learning: &_| net.training_graph(learning);
            return Ok(Box::new(OnEngine::new(variables.vars(), graph)?));
        }
        let forward = move |x: &Tensor, _: u64| {
            let RawOutputs { logits, deltas } = net.forward_t(x, true)?;
            Ok([logits, deltas].concat())
        };
        Ok(Box::new(Autograd::new(variables.vars(), forward)))
    }

    /// Picture `i` of a data set, changed at random and made ready.
    ///
    /// # Errors
    /// A file that can't be read any more.
    pub fn sample(
        &self,
        set: &DetectionSet,
        i: usize,
        random: &mut Random,
    ) -> Result<DetectionSample> {
        let scene = self.augment.apply(set.scene(i)?, random)?;
        let pixels = self.config.input.on_canvas(&scene.picture, self.size)?;
        Ok(DetectionSample { pixels, objects: scene.objects })
    }

    /// Samples as one batch, in memory.
    ///
    /// # Errors
    /// None in practice: samples are as large as the input.
    pub fn batch(&self, samples: Vec<DetectionSample>) -> Result<DetectionBatch> {
        let shape = (samples.len(), 3, self.size.0, self.size.1);
        let mut pixels = Vec::with_capacity(samples.len() * 3 * self.size.0 * self.size.1);
        let mut objects = Vec::with_capacity(samples.len());
        for sample in samples {
            pixels.extend(sample.pixels);
            objects.push(sample.objects);
        }
        Ok(DetectionBatch { pixels: Tensor::from_vec(pixels, shape, &Device::Cpu)?, objects })
    }

    /// What the outputs of [`Detector::network`] for a batch are worth.
    ///
    /// # Errors
    /// Outputs of another batch.
    pub fn losses(&self, outputs: &[Tensor], batch: &DetectionBatch) -> Result<Losses> {
        let (logits, deltas) = outputs.split_at(outputs.len() / 2);
        let raw = RawOutputs { logits: logits.to_vec(), deltas: deltas.to_vec() };
        self.config.losses(&raw, &Batch::of_inputs(batch.pixels.clone())?, &batch.objects)
    }

    /// COCO's numbers on a data set, with weights by their names.
    ///
    /// # Errors
    /// Weights that are missing, a file that can't be read any more.
    pub fn evaluate(
        &self,
        set: &DetectionSet,
        weights: &Named<Tensor>,
        device: &Device,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Evaluation> {
        let weights = weights.clone().into_iter().collect();
        let vb = VarBuilder::from_tensors(weights, DType::F32, device);
        let net = RetinaNet::ghostnet(&self.config, &self.backbone, vb)?;
        let ready = match device {
            Device::Cpu => {
                let side = self.config.input.short_side;
                let (height, width) = self.config.input.place((side, side)).padded;
                let options = PlanOptions::default();
                let shape = [SCORED.min(set.len()), 3, height, width];
                Ready::Plan(Box::new(net.plan(&shape, &options)?))
            }
            _ => Ready::Candle(Box::new(net)),
        };
        let mut results = Vec::new();
        let numbers: Vec<usize> = (0..set.len()).collect();
        for part in numbers.chunks(SCORED) {
            let read = |&i: &usize| set.pictures().get(i).map(std::borrow::Cow::into_owned);
            let pictures: std::result::Result<Vec<_>, _> = part.par_iter().map(read).collect();
            let batch = self.config.input.batch(&pictures.map_err(candle::Error::wrap)?, device)?;
            for (&i, found) in part.iter().zip(ready.detect(&batch)?) {
                let image_id = set.truth().images[i].id;
                results.extend(found.iter().filter_map(|found| result(set, image_id, found)));
            }
            progress(part.last().map_or(0, |last| last + 1), set.len());
        }
        Ok(Evaluation::new(set.truth(), &results, true))
    }
}

/// A network ready to be scored.
enum Ready {
    Plan(Box<DetectorPlan>),
    Candle(Box<RetinaNet>),
}

impl Ready {
    fn detect(&self, batch: &Batch) -> Result<Vec<Detections>> {
        match self {
            Self::Plan(plan) => plan.detect_batch(batch),
            Self::Candle(net) => net.detect_batch(batch),
        }
    }
}

/// What was found in COCO's form; nothing where the annotations do not know the category.
fn result(set: &DetectionSet, image_id: u64, found: &Detection) -> Option<CocoResult> {
    let category_id = *set.classes().get(found.class_id as usize)?;
    let known = set.truth().categories.iter().any(|category| category.id == category_id);
    let [x1, y1, x2, y2] = found.bbox.map(f64::from);
    let (bbox, score) = ([x1, y1, x2 - x1, y2 - y1], found.score.into());
    known.then_some(CocoResult { image_id, category_id, bbox, score })
}
