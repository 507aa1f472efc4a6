//! Classification as a task of the loop.

use super::augment::{Augment, Mixed};
use super::folders::{ClassFolders, Labelled};
use super::network::Classifier;
use super::soft::SoftTargets;
use super::{cross_entropy, export};
use crate::Error;
use crate::data::{Pictures, Room};
use crate::network::Named;
use crate::task::{Place, Scores, Task};
use candle::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::picture::{DecodeOptions, Rgb8};
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::{GhostNet, Plan, PlanOptions};
use heads::eval::top_k::TopK;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Pictures that are scored together on a CPU.
const SCORED: usize = 16;

/// The same on a GPU, which has little to do with fewer.
const SCORED_ON_GPU: usize = 256;

/// Learning to tell classes apart.
#[derive(Debug)]
pub struct Classification {
    classifier: Classifier,
    augment: Augment,
    preprocess: Preprocess,
    smoothing: f64,
    soft: Option<SoftTargets>,
    data: ClassFolders,
    train: Pictures,
    val: Pictures,
    device: Device,
    /// What the run starts from, for its identity.
    start: Value,
}

/// What a step learns from.
#[derive(Debug)]
pub struct Batch {
    images: Tensor,
    /// `[B, classes]`: the share of each class.
    targets: Tensor,
}

impl Classification {
    /// `augment` makes training pictures, `preprocess` those to be scored; a share of `smoothing`
    /// of every target is spread over all classes. Decoded pictures are kept in `room`.
    pub fn new(
        data: ClassFolders,
        classifier: Classifier,
        augment: Augment,
        preprocess: Preprocess,
        smoothing: f64,
        room: &Room,
        device: Device,
    ) -> Self {
        let pictures = |of: &[Labelled]| {
            let paths = of.iter().map(|labelled| labelled.path.clone()).collect();
            Pictures::new(paths, DecodeOptions::default(), room.clone())
        };
        let (train, val) = (pictures(&data.train), pictures(&data.val));
        let (soft, start) = (None, Value::Null);
        Self { classifier, augment, preprocess, smoothing, soft, data, train, val, device, start }
    }

    /// Decodes every picture once, and reports all that can't be; `done` is called after each.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub fn check(&self, root: &Path, done: &(dyn Fn() + Sync)) -> std::result::Result<(), Error> {
        let mut problems = self.train.problems(|_, _| None, done);
        problems.extend(self.val.problems(|_, _| None, done));
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Error::Data { path: root.into(), problems }),
        }
    }

    /// Learns from a teacher too.
    pub fn learn_from(&mut self, soft: SoftTargets) {
        self.soft = Some(soft);
    }

    /// Says what the run starts from: a resumed one must start from the same.
    pub fn begin_with(&mut self, start: Value) {
        self.start = start;
    }

    /// The classes, in order.
    pub fn classes(&self) -> &[String] {
        &self.data.classes
    }

    /// How many pictures there are to learn from and to be scored on.
    pub fn sizes(&self) -> (usize, usize) {
        (self.train.len(), self.val.len())
    }

    fn ready(&self, state: &Named<Tensor>) -> Result<Ready> {
        let tensors = state.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &self.device);
        let (config, classes) = (self.classifier.config(), self.classifier.classes());
        if !self.device.is_cpu() {
            return Ok(Ready::Candle(Box::new(GhostNet::new(config, classes, vb)?)));
        }
        let (height, width) = (self.preprocess.height() as usize, self.preprocess.width() as usize);
        let shape = [SCORED.min(self.val.len()), config.in_channels, height, width];
        let options = PlanOptions::default();
        Ok(Ready::Plan(Box::new(GhostNet::plan_from(config, classes, vb, &shape, &options)?)))
    }
}

/// A network to be scored.
enum Ready {
    Plan(Box<Plan>),
    Candle(Box<GhostNet>),
}

impl Ready {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plan(plan) => plan.forward(images),
            Self::Candle(net) => net.forward(images),
        }
    }
}

impl Task for Classification {
    type Batch = Batch;

    fn examples(&self) -> usize {
        self.train.len()
    }

    fn identity(&self) -> Value {
        json!({
            "task": "classify",
            "model": self.classifier.config().name(),
            "dropout": self.classifier.config().dropout,
            "freeze_norms": self.classifier.freezes_norms(),
            "classes": self.data.classes,
            "data_sha256": self.data.digest,
            "pictures": [self.train.len(), self.val.len()],
            "augment": self.augment,
            "label_smoothing": self.smoothing,
            "soft_targets": self.soft.as_ref().map(SoftTargets::identity),
            "start": self.start,
            "scored_at": format!("{:?}", self.preprocess),
        })
    }

    fn batch(&self, examples: &[usize], place: Place) -> std::result::Result<Batch, Error> {
        let made = examples.par_iter().map(|&i| {
            let picture = self.train.get(i)?;
            let mut random = place.seed.stream("augment", place.epoch, i as u64);
            Ok(self.augment.apply(&picture, &mut random)?)
        });
        let mut images = made.collect::<std::result::Result<Vec<Vec<f32>>, Error>>()?;
        let mut random = place.seed.stream("mix", place.epoch, place.batch);
        let (height, width) = self.augment.size;
        let mixed =
            self.augment.mix.apply(&mut images, (height as usize, width as usize), &mut random);
        let classes: Vec<usize> = examples.iter().map(|&i| self.data.train[i].class).collect();
        let mut targets = targets(&classes, &mixed, self.data.classes.len(), self.smoothing);
        if let Some(soft) = &self.soft {
            let shown: Vec<_> = (0..examples.len()).map(|i| mixed.labels(i, examples)).collect();
            soft.blend(&mut targets, &shown);
        }
        let shape = (examples.len(), 3, height as usize, width as usize);
        Ok(Batch {
            images: Tensor::from_vec(images.concat(), shape, &Device::Cpu)?,
            targets: Tensor::from_vec(
                targets,
                (examples.len(), self.data.classes.len()),
                &Device::Cpu,
            )?,
        })
    }

    fn images(&self, batch: &Batch) -> Result<Tensor> {
        batch.images.to_device(&self.device)
    }

    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> Result<Tensor> {
        let [logits] = outputs else {
            candle::bail!("expected logits, found {} outputs", outputs.len())
        };
        cross_entropy(logits, &batch.targets.to_device(&self.device)?)
    }

    fn weight(&self, batch: &Batch) -> f64 {
        batch.images.dim(0).unwrap_or(0) as f64
    }

    fn evaluate(
        &self,
        state: &Named<Tensor>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> std::result::Result<Scores, Error> {
        let net = self.ready(state)?;
        let (mut top_k, mut loss) = (TopK::default(), 0.0);
        let all: Vec<usize> = (0..self.val.len()).collect();
        let mut done = 0;
        let together = if self.device.is_cpu() { SCORED } else { SCORED_ON_GPU };
        for part in all.chunks(together) {
            let read = |&i: &usize| {
                let picture: &Rgb8 = &*self.val.get(i)?;
                Ok(self.preprocess.apply(picture))
            };
            let images: std::result::Result<Vec<_>, Error> = part.par_iter().map(read).collect();
            let (height, width) = (self.preprocess.height(), self.preprocess.width());
            let shape = (part.len(), 3, height as usize, width as usize);
            let images = Tensor::from_vec(images?.concat(), shape, &self.device)?;
            for (&i, scores) in part.iter().zip(net.forward(&images)?.to_vec2::<f32>()?) {
                let class = self.data.val[i].class;
                top_k.add(&scores, class);
                loss += negative_log_likelihood(&scores, class);
            }
            done += part.len();
            progress(done, all.len());
        }
        let (top1, top5) = top_k.percent();
        let scores = [("top1", top1), ("top5", top5), ("loss", loss / all.len() as f64)];
        let all: BTreeMap<_, _> = scores.map(|(name, score)| (name.to_owned(), score)).into();
        Ok(Scores { main: "top1".into(), all })
    }

    fn export(&self, state: &Named<Tensor>, folder: &Path) -> std::result::Result<(), Error> {
        let (config, data) = (self.classifier.config(), &self.data);
        let config = export::config(config, &data.classes, &data.words, &self.preprocess);
        crate::export::model(state, &config, folder)
    }
}

/// The share of each class in each picture, `[B, classes]`.
fn targets(labels: &[usize], mixed: &Mixed, classes: usize, smoothing: f64) -> Vec<f32> {
    let spread = smoothing / classes as f64;
    let mut targets = vec![spread as f32; labels.len() * classes];
    for (i, row) in targets.chunks_exact_mut(classes).enumerate() {
        for (label, share) in mixed.labels(i, labels) {
            row[label] += ((1.0 - smoothing) * share) as f32;
        }
    }
    targets
}

fn negative_log_likelihood(scores: &[f32], class: usize) -> f64 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|&score| f64::from(score - largest).exp()).sum();
    sum.ln() - f64::from(scores[class] - largest)
}
