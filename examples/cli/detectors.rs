//! Detectors of any kind: by whose preset, and what they are asked for.

use crate::compute::Compute;
use crate::headed::{Headed, Shipped};
use crate::networks::{Detects, Ready};
use crate::spent::Spent;
use crate::tensors;
use anyhow::Result;
use candle::{Device, Tensor};
use ghostnetv2::weights::ModelSource;
use heads::boxes::Detections;
use heads::placement::{Batch, InputConfig};
use heads::retinanet::{self, RetinaNet};
use heads::yolov3::{self, YoloV3};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

/// Whose layout and constants a detector has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A RetinaNet's.
    RetinaNet(retinanet::Preset),
    /// A YOLOv3's.
    YoloV3(yolov3::Preset),
}

impl Preset {
    /// All presets.
    pub fn all() -> impl Iterator<Item = Self> {
        let retinanets = retinanet::Preset::ALL.into_iter().map(Self::RetinaNet);
        retinanets.chain(yolov3::Preset::ALL.into_iter().map(Self::YoloV3))
    }

    /// What of network it is of.
    pub fn network(self) -> &'static str {
        match self {
            Self::RetinaNet(_) => "retinanet",
            Self::YoloV3(_) => "yolov3",
        }
    }
}

/// A name that is no preset's.
#[derive(Debug, thiserror::Error)]
#[error("unknown preset {0:?}: expected one of {known}", known = names())]
pub struct UnknownPreset(String);

fn names() -> String {
    Preset::all().map(|preset| preset.to_string()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        let preset = Self::all().find(|preset| preset.to_string() == name);
        preset.ok_or_else(|| UnknownPreset(name.into()))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetinaNet(preset) => preset.fmt(f),
            Self::YoloV3(preset) => preset.fmt(f),
        }
    }
}

impl Shipped for Preset {
    /// Trained as its README says.
    const BUILT_IN: ModelSource = ModelSource::Embedded {
        name: "the built-in ghostnetv2_100-coco-person",
        weights: include_bytes!("../../assets/ghostnetv2_100-coco-person/model.safetensors"),
        config: include_str!("../../assets/ghostnetv2_100-coco-person/config.json"),
    };
}

/// What of all that a detector finds is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The lowest score of a class.
    pub score: f32,
    /// Of two objects of a class that overlap by more, the better one.
    pub overlap: f64,
    /// The best so many of a picture.
    pub most: usize,
}

/// A detector that is ready to run.
pub trait Detector {
    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// From pictures to its input.
    fn input(&self) -> InputConfig;

    /// Where inputs should be.
    fn device(&self) -> Device;

    /// What is in each picture of a batch, in its own pixels. The input and the raw outputs are
    /// written to `dump`, if they are wanted.
    ///
    /// # Errors
    /// An input that it can't take, a file that can't be written.
    fn detect(
        &self,
        batch: &Batch,
        spent: &mut Spent,
        dump: Option<&Path>,
    ) -> Result<Vec<Detections>>;
}

impl<N: Detects> Detector for Ready<N> {
    fn classes(&self) -> usize {
        N::classes(self.config())
    }

    fn input(&self) -> InputConfig {
        N::input(self.config())
    }

    fn device(&self) -> Device {
        self.device()
    }

    fn detect(
        &self,
        batch: &Batch,
        spent: &mut Spent,
        dump: Option<&Path>,
    ) -> Result<Vec<Detections>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        if dump.is_none() && spent.steps.is_none() {
            let found = self.answer(batch)?;
            spent.pictures += found.len();
            return Ok(found);
        }
        let start = Instant::now();
        let raw = self.forward(&batch.pixels, spent.steps.as_mut())?;
        spent.since("computing", start);
        if let Some(path) = dump {
            let input: (String, Tensor) = ("input".into(), batch.pixels.clone());
            tensors::write(path, [vec![input], N::named(&raw)].concat())?;
        }
        let start = Instant::now();
        let found = self.answers(&raw, batch)?;
        spent.since("finding", start);
        spent.pictures += found.len();
        Ok(found)
    }
}

impl Headed<Preset> {
    /// A detector, for pictures of another size where one is given, that finds what is wanted, else
    /// what its preset says; a plan is laid out for `batch` pictures.
    ///
    /// # Errors
    /// [`Usage`](crate::exit::Usage): a size that there can't be; weights that do not fit.
    pub fn detector(
        &self,
        size: Option<usize>,
        wanted: Option<Wanted>,
        at: (&Compute, usize),
    ) -> Result<Box<dyn Detector>> {
        match self.preset {
            Preset::RetinaNet(preset) => {
                let mut config = preset.config();
                config.input = self.sized(config.input, size)?;
                if let Some(Wanted { score, overlap, most }) = wanted {
                    config.postprocess.score_threshold = score;
                    config.postprocess.iou_threshold = overlap;
                    config.postprocess.detections = most;
                }
                Ok(Box::new(self.ready::<RetinaNet>(&config, at)?))
            }
            Preset::YoloV3(preset) => {
                let mut config = preset.config();
                config.input = self.sized(config.input, size)?;
                if let Some(Wanted { score, overlap, most }) = wanted {
                    config.postprocess.score_threshold = score;
                    config.postprocess.iou_threshold = overlap;
                    config.postprocess.detections = most;
                }
                Ok(Box::new(self.ready::<YoloV3>(&config, at)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_name_of_its_own() {
        for preset in Preset::all() {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
        }
        let error = "yolo".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("torchvision-v2") && error.contains("yolov3-320"), "{error}");
    }
}
