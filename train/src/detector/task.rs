//! Detection as a task of the loop.

use super::{DetectionBatch, Detector};
use crate::data::DetectionSet;
use crate::network::Named;
use crate::task::{Place, Scores, Task};
use crate::{Error, export};
use candle::{Device, Result, Tensor};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Learning to detect objects.
#[derive(Debug)]
pub struct DetectionTask {
    /// What learns.
    pub detector: Detector,
    /// To learn from.
    pub train: DetectionSet,
    /// To be scored on.
    pub val: DetectionSet,
    /// Goes into the `config.json` beside the weights: architecture, classes and head.
    pub description: Value,
    /// What computes.
    pub device: Device,
}

impl Task for DetectionTask {
    type Batch = DetectionBatch;

    fn examples(&self) -> usize {
        self.train.len()
    }

    fn identity(&self) -> Value {
        let set = |set: &DetectionSet| json!({ "sha256": set.digest(), "pictures": set.len() });
        let augment = &self.detector.augment;
        json!({
            "task": "detect",
            "model": self.description,
            "train": set(&self.train),
            "val": set(&self.val),
            "size": self.detector.size,
            "freeze_norms": self.detector.freeze_norms,
            "flip": augment.flip,
            "colour": augment.colour.map(|colour| format!("{colour:?}")),
            "iou_crop": augment.iou_crop.map(|crop| format!("{crop:?}")),
            "scales": augment.scale.scales,
            "visible": [augment.crop.visible, augment.crop.shortest],
        })
    }

    fn batch(
        &self,
        examples: &[usize],
        place: Place,
    ) -> std::result::Result<DetectionBatch, Error> {
        let made = examples.par_iter().map(|&i| {
            let mut random = place.seed.stream("augment", place.epoch, i as u64);
            self.detector.sample(&self.train, i, &mut random)
        });
        let samples = made.collect::<Result<Vec<_>>>()?;
        Ok(self.detector.batch(samples)?)
    }

    fn images(&self, batch: &DetectionBatch) -> Result<Tensor> {
        batch.pixels.to_device(&self.device)
    }

    fn loss(&self, batch: &DetectionBatch, outputs: &[Tensor]) -> Result<Tensor> {
        self.detector.losses(outputs, batch)?.total()
    }

    /// Pictures: exact where each has a divisor of its own (torchvision's rule, not mmdetection's).
    fn weight(&self, batch: &DetectionBatch) -> f64 {
        batch.objects.len() as f64
    }

    /// COCO's 12 numbers in percent, and the precision of each category at an overlap of one half.
    fn evaluate(
        &self,
        state: &Named<Tensor>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> std::result::Result<Scores, Error> {
        const NAMES: [&str; 12] = [
            "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
        ];
        let evaluation = self.detector.evaluate(&self.val, state, &self.device, progress)?;
        let named = NAMES.map(str::to_owned).into_iter().zip(evaluation.summary().values());
        let name = |id: u64| {
            let mut all = self.val.truth().categories.iter();
            let known = all.find(|category| category.id == id);
            known.map_or_else(|| id.to_string(), |category| category.name.clone())
        };
        let each = evaluation.by_category_at_50().into_iter();
        let each = each.map(|(id, ap)| (format!("AP50 {}", name(id)), ap));
        // -1 says that there is nothing to be found.
        let known = named.chain(each).filter(|(_, value)| *value >= 0.0);
        let all: BTreeMap<_, _> = known.map(|(name, value)| (name, 100.0 * value)).collect();
        Ok(Scores { main: "AP".into(), all })
    }

    fn export(&self, state: &Named<Tensor>, folder: &Path) -> std::result::Result<(), Error> {
        export::model(state, &self.description, folder)
    }
}
