//! What a row's network is.

use anyhow::Result;
use cli::detectors::Preset;
use cli::exit::Usage;
use cli::model::named;
use ghostnetv2::Config;
use heads::segmentation;
use std::str::FromStr;

/// What a row's network is.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// A classifier of the family.
    Classifier(Config),
    /// A detector on GhostNetV2 1.0x.
    Detector(Preset),
    /// A Semantic FPN on the same.
    Segmenter(segmentation::Preset),
}

impl Which {
    /// From a name such as `ghostnetv2_130`, `retinanet-lite`, `yolov3` or `semantic-fpn-smp`.
    ///
    /// # Errors
    /// [`Usage`]: a name of nothing.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Ok(if let Some(preset) = name.strip_prefix("retinanet-") {
            Self::Detector(Preset::RetinaNet(preset_of(name, preset)?))
        } else if name.starts_with("yolov3") {
            Self::Detector(Preset::YoloV3(preset_of(name, name)?))
        } else if let Some(preset) = name.strip_prefix("semantic-fpn-") {
            Self::Segmenter(preset_of(name, preset)?)
        } else {
            Self::Classifier(named(name)?)
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Classifier(config) => config.name(),
            Self::Detector(Preset::RetinaNet(preset)) => format!("retinanet-{preset}"),
            Self::Detector(Preset::YoloV3(preset)) => preset.to_string(),
            Self::Segmenter(preset) => format!("semantic-fpn-{preset}"),
        }
    }

    /// The classifier that it is.
    ///
    /// # Errors
    /// [`Usage`]: it is none.
    pub(crate) fn classifier(&self) -> Result<Config> {
        match self {
            Self::Classifier(config) => Ok(config.clone()),
            _ => Err(Usage(format!("{}: expected a classifier", self.name())).into()),
        }
    }

    /// Whether it tells places in pictures.
    pub(crate) fn has_head(&self) -> bool {
        !matches!(self, Self::Classifier(_))
    }
}

fn preset_of<P: FromStr<Err: std::fmt::Display>>(name: &str, preset: &str) -> Result<P> {
    preset.parse().map_err(|error| Usage(format!("--which {name}: {error}")).into())
}
