//! Networks of any kind that tell the class of every pixel: by whose preset.

use crate::compute::Compute;
use crate::headed::{Headed, Shipped};
use crate::networks::{Ready, Segments};
use anyhow::Result;
use candle::{Device, Tensor};
use ghostnetv2::Timings;
use ghostnetv2::weights::ModelSource;
use heads::deeplabv3::{self, DeepLabV3};
use heads::placement::{Batch, InputConfig};
use heads::segmentation::{self, LabelMap, SemanticFpn, Sliding};
use std::fmt;
use std::str::FromStr;

/// Whose layout and constants a network has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A Semantic FPN's.
    SemanticFpn(segmentation::Preset),
    /// A DeepLabV3's.
    DeepLabV3(deeplabv3::Preset),
}

impl Preset {
    /// All presets.
    pub fn all() -> impl Iterator<Item = Self> {
        let fpns = segmentation::Preset::ALL.into_iter().map(Self::SemanticFpn);
        fpns.chain(deeplabv3::Preset::ALL.into_iter().map(Self::DeepLabV3))
    }

    /// What of network it is of.
    pub fn network(self) -> &'static str {
        match self {
            Self::SemanticFpn(_) => "semantic fpn",
            Self::DeepLabV3(_) => "deeplabv3",
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
            Self::SemanticFpn(preset) => preset.fmt(f),
            Self::DeepLabV3(preset) => preset.fmt(f),
        }
    }
}

impl Shipped for Preset {
    /// Trained as its README says.
    const BUILT_IN: ModelSource = ModelSource::Embedded {
        name: "the built-in ghostnetv2_100-camvid",
        weights: include_bytes!("../../assets/ghostnetv2_100-camvid/model.safetensors"),
        config: include_str!("../../assets/ghostnetv2_100-camvid/config.json"),
    };
}

/// A network that is ready to run.
pub trait Segmenter {
    /// How many classes it tells apart.
    fn classes(&self) -> usize;

    /// From pictures to its input.
    fn input(&self) -> InputConfig;

    /// Where inputs should be.
    fn device(&self) -> Device;

    /// Logits; plans add the time of their steps to `timings`.
    ///
    /// # Errors
    /// An input that it can't take.
    fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> Result<Tensor>;

    /// The classes of each picture's pixels, from the logits of a batch.
    ///
    /// # Errors
    /// Weights that give no numbers.
    fn label(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>>;

    /// The same from windows that slide over the input.
    ///
    /// # Errors
    /// As [`Segmenter::forward`] and [`Segmenter::label`]; windows that leave gaps.
    fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>>;
}

impl<N: Segments> Segmenter for Ready<N> {
    fn classes(&self) -> usize {
        N::classes(self.config())
    }

    fn input(&self) -> InputConfig {
        N::input(self.config())
    }

    fn device(&self) -> Device {
        self.device()
    }

    fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> Result<Tensor> {
        Ok(self.forward(x, timings)?)
    }

    fn label(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        Ok(self.answers(logits, batch)?)
    }

    fn slide(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        Ok(self.slide(batch, sliding)?)
    }
}

impl Headed<Preset> {
    /// A network, for pictures of another size where one is given; a plan is laid out for `batch`
    /// of them.
    ///
    /// # Errors
    /// [`Usage`](crate::exit::Usage): a size that there can't be; weights that do not fit.
    pub fn segmenter(
        &self,
        size: Option<usize>,
        at: (&Compute, usize),
    ) -> Result<Box<dyn Segmenter>> {
        match self.preset {
            Preset::SemanticFpn(preset) => {
                let mut config = preset.config();
                config.input = self.sized(config.input, size)?;
                Ok(Box::new(self.ready::<SemanticFpn>(&config, at)?))
            }
            Preset::DeepLabV3(preset) => {
                let mut config = preset.config();
                config.input = self.sized(config.input, size)?;
                Ok(Box::new(self.ready::<DeepLabV3>(&config, at)?))
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
        let error = "deeplab".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("mmseg") && error.contains("deeplabv3-d16"), "{error}");
    }
}
