//! What a row's network is.

use anyhow::Result;
use cli::detectors;
use cli::exit::Usage;
use cli::model::named;
use cli::segmenters;
use ghostnetv2::Config;
use std::str::FromStr;

/// What a row's network is.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// A classifier of the family.
    Classifier(Config),
    /// A detector on GhostNetV2 1.0x.
    Detector(detectors::Preset),
    /// A Semantic FPN or a DeepLabV3 on the same.
    Segmenter(segmenters::Preset),
}

impl Which {
    /// From a name such as `ghostnetv2_130`, `retinanet-lite`, `yolov3`, `semantic-fpn-smp` or
    /// `deeplabv3`.
    ///
    /// # Errors
    /// [`Usage`]: a name of nothing.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Ok(if let Some(preset) = name.strip_prefix("retinanet-") {
            Self::Detector(detectors::Preset::RetinaNet(preset_of(name, preset)?))
        } else if name.starts_with("yolov3") {
            Self::Detector(detectors::Preset::YoloV3(preset_of(name, name)?))
        } else if let Some(preset) = name.strip_prefix("semantic-fpn-") {
            Self::Segmenter(segmenters::Preset::SemanticFpn(preset_of(name, preset)?))
        } else if name.starts_with("deeplabv3") {
            Self::Segmenter(segmenters::Preset::DeepLabV3(preset_of(name, name)?))
        } else {
            Self::Classifier(named(name)?)
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Classifier(config) => config.name(),
            Self::Detector(detectors::Preset::RetinaNet(preset)) => format!("retinanet-{preset}"),
            Self::Detector(detectors::Preset::YoloV3(preset)) => preset.to_string(),
            Self::Segmenter(segmenters::Preset::SemanticFpn(preset)) => {
                format!("semantic-fpn-{preset}")
            }
            Self::Segmenter(segmenters::Preset::DeepLabV3(preset)) => preset.to_string(),
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
