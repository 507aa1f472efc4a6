//! What a Semantic FPN looks like, and the presets by which others have trained them.

use super::names::{self, Names};
use super::{LabelMap, label_maps};
use crate::ConvKind;
use crate::fpn::{FpnConfig, FpnNames};
use crate::placement::{Batch, InputConfig, Padding, Resampling};
use candle::{Result, Tensor, bail};
use ghostnetv2::Taps;
use ghostnetv2::weights::Checkpoint;
use std::fmt;
use std::str::FromStr;

/// Who trained it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// mmsegmentation's `fpn_r50` around `mmpretrain.TIMMBackbone`.
    Mmseg,
    /// segmentation_models_pytorch's `FPN` around a `tu-` encoder.
    Smp,
    /// This project's own, for phones: separable convolutions, 128 and 64 channels.
    Lite,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 3] = [Self::Mmseg, Self::Smp, Self::Lite];

    /// `mmseg`, `smp` or `lite`.
    pub fn name(self) -> &'static str {
        ["mmseg", "smp", "lite"][self as usize]
    }

    /// The configuration.
    pub fn config(self) -> SemanticFpnConfig {
        match self {
            Self::Mmseg => SemanticFpnConfig::mmseg(),
            Self::Smp => SemanticFpnConfig::smp(),
            Self::Lite => SemanticFpnConfig::lite(),
        }
    }
}

/// A name that is no preset's.
#[derive(Debug, thiserror::Error)]
#[error("unknown preset {0:?}: expected mmseg, smp or lite")]
pub struct UnknownPreset(String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownPreset> {
        let preset = Self::ALL.into_iter().find(|preset| preset.name() == name);
        preset.ok_or_else(|| UnknownPreset(name.into()))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What stands behind the convolutions of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemanticNorm {
    /// A batch-norm.
    Batch,
    /// A group norm of so many groups.
    Group(usize),
}

/// What a Semantic FPN looks like.
///
/// # Example
/// ```
/// use heads::segmentation::{Preset, SemanticFpnConfig};
/// let preset: Preset = "mmseg".parse().unwrap();
/// assert_eq!(preset.config().classes, 150);
/// let camvid = SemanticFpnConfig { classes: 11, ..SemanticFpnConfig::lite() };
/// assert!(camvid.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticFpnConfig {
    /// Scores per pixel, at most 255: label 255 is no class.
    pub classes: usize,
    /// Which of the backbone's maps it stands on.
    pub taps: Taps,
    /// Channels of the pyramid.
    pub pyramid_channels: usize,
    /// Channels of the head.
    pub channels: usize,
    /// How 3x3 convolutions are built.
    pub convolution: ConvKind,
    /// Whether 3x3 convolutions follow the sums of the pyramid, before those of the head.
    pub smooth: bool,
    /// What stands behind the convolutions of the head, before the ReLU.
    pub norm: SemanticNorm,
    /// Whether bilinear upsampling within the network maps corners onto corners.
    pub align_corners: bool,
    /// The share of channels that are dropped in training, before the classes are told.
    pub dropout: f64,
    /// Whose names the weights have.
    pub names: Names,
    /// From pictures to the network's input.
    pub input: InputConfig,
}

impl SemanticFpnConfig {
    /// mmsegmentation's `fpn_r50` for ADE20K with another backbone.
    ///
    /// # Source
    /// mmsegmentation 1.2, `configs/_base_/models/fpn_r50.py`, `configs/_base_/datasets/ade20k.py`.
    pub fn mmseg() -> Self {
        Self {
            classes: 150,
            taps: Taps::Timm,
            pyramid_channels: 256,
            channels: 128,
            convolution: ConvKind::Dense,
            smooth: true,
            norm: SemanticNorm::Batch,
            align_corners: false,
            dropout: 0.1,
            names: Names::Mmseg,
            input: InputConfig {
                short_side: 512,
                long_side: 2048,
                resampling: Resampling::OpenCv,
                padding: Padding::Multiple(1),
                ..InputConfig::mmdet()
            },
        }
    }

    /// segmentation_models_pytorch's `FPN`, whose inputs are multiples of 32 pixels.
    ///
    /// # Source
    /// segmentation_models_pytorch 0.6, `decoders/fpn/decoder.py`; how pictures are fitted is left
    /// to its users, and taken from mmsegmentation here.
    pub fn smp() -> Self {
        let mmseg = Self::mmseg();
        Self {
            smooth: false,
            norm: SemanticNorm::Group(32),
            align_corners: true,
            dropout: 0.2,
            names: Names::Smp,
            input: InputConfig {
                resampling: Resampling::Pillow,
                padding: Padding::Multiple(32),
                ..mmseg.input
            },
            ..mmseg
        }
    }

    /// A network of phone size: the same head with separable convolutions on the ends of the
    /// backbone's stages, half as wide.
    pub fn lite() -> Self {
        let smp = Self::smp();
        Self {
            taps: Taps::StageEnds,
            pyramid_channels: 128,
            channels: 64,
            convolution: ConvKind::Separable,
            norm: SemanticNorm::Batch,
            align_corners: false,
            dropout: 0.1,
            smooth: true,
            names: Names::Mmseg,
            ..smp
        }
    }

    /// The same with as many classes as the head of a checkpoint has. A checkpoint without one is
    /// left for the load to refuse, which names everything that is missing.
    ///
    /// # Errors
    /// A head that can't be read.
    pub fn with_classes_of(
        &self,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        let bias = checkpoint.tensor(&names::class_bias(self.names))?;
        let classes = bias.map_or(self.classes, |bias| bias.elem_count());
        Ok(Self { classes, ..self.clone() })
    }

    /// Where the convolution that tells the classes lies.
    pub fn class_layer(&self) -> &'static str {
        names::class_layer(self.names)
    }

    /// The classes of each picture's own pixels, from the logits of the batch: resized to the
    /// input, freed of padding, resized to the picture; then the highest wins.
    ///
    /// # Errors
    /// Logits of another batch, or such that are no numbers.
    pub fn label_maps(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        label_maps(logits, batch, self.align_corners)
    }

    /// The pyramid.
    pub fn fpn(&self) -> FpnConfig {
        let names = match self.names {
            Names::Mmseg => FpnNames::OpenMmlab,
            Names::Smp => FpnNames::Smp,
        };
        FpnConfig {
            channels: self.pyramid_channels,
            convolution: self.convolution,
            smooth: self.smooth,
            extra: None,
            names,
        }
    }

    /// Refuses what no network can be built from.
    ///
    /// # Errors
    /// No classes or more than 255, no channels, group norms that do not divide the channels, a
    /// dropout outside 0 to 1, an input that no picture can be fitted to.
    pub fn check(&self) -> Result<()> {
        if !(1..=255).contains(&self.classes) {
            bail!("{} classes: expected 1 to 255", self.classes)
        }
        if self.pyramid_channels == 0 || self.channels == 0 {
            bail!(
                "{} channels of the pyramid and {} of the head: expected at least 1",
                self.pyramid_channels,
                self.channels
            )
        }
        match self.norm {
            SemanticNorm::Group(n) if n == 0 || !self.channels.is_multiple_of(n) => {
                bail!("{n} norm groups for {} channels: expected a divisor of them", self.channels)
            }
            _ => {}
        }
        if !(0.0..1.0).contains(&self.dropout) {
            bail!("dropout {}: expected 0 or more, and less than 1", self.dropout)
        }
        self.input.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_names_and_pass_their_own_check() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
            preset.config().check().unwrap();
        }
        let error = "deeplab".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("deeplab") && error.contains("mmseg"), "{error}");
    }

    #[test]
    fn nonsense_is_refused() {
        let config = SemanticFpnConfig::smp;
        let refused = [
            SemanticFpnConfig { classes: 0, ..config() },
            SemanticFpnConfig { classes: 256, ..config() },
            SemanticFpnConfig { channels: 100, ..config() },
            SemanticFpnConfig { pyramid_channels: 0, ..config() },
            SemanticFpnConfig { norm: SemanticNorm::Group(0), ..config() },
            SemanticFpnConfig { dropout: f64::NAN, ..config() },
        ];
        assert!(refused.iter().all(|config| config.check().is_err()));
    }
}
