//! Segmentation as a task of the loop.

use super::{SegmentationBatch, Segmenter};
use crate::data::SegmentationSet;
use crate::network::Named;
use crate::task::{Place, Scores, Task};
use crate::{Error, export};
use candle::{Device, Result, Tensor};
use heads::segmentation::{Average, UNLABELLED};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Learning to tell the class of every pixel.
#[derive(Debug)]
pub struct SegmentationTask {
    /// What learns.
    pub segmenter: Segmenter,
    /// To learn from.
    pub train: SegmentationSet,
    /// To be scored on.
    pub val: SegmentationSet,
    /// Names of the classes.
    pub names: Vec<String>,
    /// Goes into the `config.json` beside the weights: architecture, classes and head.
    pub description: Value,
    /// What computes.
    pub device: Device,
}

impl Task for SegmentationTask {
    type Batch = SegmentationBatch;

    fn examples(&self) -> usize {
        self.train.len()
    }

    fn identity(&self) -> Value {
        let set = |set: &SegmentationSet| json!({ "sha256": set.digest(), "pictures": set.len() });
        let augment = &self.segmenter.augment;
        json!({
            "task": "segment",
            "model": self.description,
            "train": set(&self.train),
            "val": set(&self.val),
            "freeze_norms": self.segmenter.freeze_norms,
            "flip": augment.flip,
            "colour": augment.colour.map(|colour| format!("{colour:?}")),
            "scales": augment.scales,
            "crop": augment.crop.size,
            "most": augment.crop.most,
            "average": format!("{:?}", self.segmenter.average),
        })
    }

    fn batch(
        &self,
        examples: &[usize],
        place: Place,
    ) -> std::result::Result<SegmentationBatch, Error> {
        let made = examples.par_iter().map(|&i| {
            let mut random = place.seed.stream("augment", place.epoch, i as u64);
            self.segmenter.sample(&self.train, i, &mut random)
        });
        let samples = made.collect::<Result<Vec<_>>>()?;
        Ok(self.segmenter.batch(samples)?)
    }

    fn images(&self, batch: &SegmentationBatch) -> Result<Tensor> {
        batch.pixels.to_device(&self.device)
    }

    fn loss(&self, batch: &SegmentationBatch, outputs: &[Tensor]) -> Result<Tensor> {
        self.segmenter.loss(outputs, batch)
    }

    fn weight(&self, batch: &SegmentationBatch) -> f64 {
        let pixels = batch.labels.iter().flat_map(|map| map.labels());
        match self.segmenter.average {
            Average::All => pixels.count() as f64,
            Average::Labelled => pixels.filter(|label| **label != UNLABELLED).count() as f64,
        }
    }

    /// Means and each class in percent.
    fn evaluate(
        &self,
        state: &Named<Tensor>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> std::result::Result<Scores, Error> {
        let counts = self.segmenter.evaluate(&self.val, state, &self.device, progress)?;
        let means = [("mIoU", counts.mean_of_present()), ("accuracy", counts.accuracy())];
        let means = means.into_iter().map(|(name, value)| (name.to_owned(), value));
        let each = self.names.iter().zip(counts.iou());
        let each = each.map(|(name, value)| (format!("IoU {name}"), value));
        let known = means.chain(each).filter_map(|(name, value)| Some((name, 100.0 * value?)));
        Ok(Scores { main: "mIoU".into(), all: known.collect::<BTreeMap<_, _>>() })
    }

    fn export(&self, state: &Named<Tensor>, folder: &Path) -> std::result::Result<(), Error> {
        export::model(state, &self.description, folder)
    }
}
