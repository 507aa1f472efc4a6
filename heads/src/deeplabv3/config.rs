//! What a DeepLabV3 looks like.

use crate::placement::{Batch, InputConfig};
use crate::segmentation::{LabelMap, SemanticFpnConfig, label_maps};
use candle::{Result, Tensor, bail};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Error, Taps};

/// The largest dilation: those of mmsegmentation end at 36.
const FARTHEST: usize = 1 << 10;

/// What a DeepLabV3 looks like.
///
/// # Example
/// ```
/// use heads::deeplabv3::DeepLabV3Config;
/// let camvid = DeepLabV3Config { classes: 11, channels: 128, ..DeepLabV3Config::mmseg() };
/// assert!(camvid.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DeepLabV3Config {
    /// Scores per pixel, at most 255: label 255 is no class.
    pub classes: usize,
    /// Which of the backbone's last maps it stands on.
    pub taps: Taps,
    /// Input pixels per cell of that map, 8, 16 or 32: [`ghostnetv2::Config::output_stride`] of the
    /// backbone.
    pub output_stride: usize,
    /// Channels of each branch, and behind them.
    pub channels: usize,
    /// Of each branch beside that of the mean: 1 is a 1x1 convolution, others are 3x3.
    pub dilations: Vec<usize>,
    /// The share of channels that are dropped in training, before the classes are told.
    pub dropout: f64,
    /// From pictures to the network's input.
    pub input: InputConfig,
}

impl DeepLabV3Config {
    /// mmsegmentation's for ADE20K on a MobileNetV2, with another backbone: at an eighth of the
    /// input's size.
    ///
    /// # Source
    /// mmsegmentation 1.2, `mobilenet-v2-d8_deeplabv3_4xb4-160k_ade20k-512x512.py` and
    /// `configs/_base_/models/deeplabv3_r50-d8.py`.
    pub fn mmseg() -> Self {
        Self {
            classes: 150,
            taps: Taps::Timm,
            output_stride: 8,
            channels: 512,
            dilations: vec![1, 12, 24, 36],
            dropout: 0.1,
            input: SemanticFpnConfig::mmseg().input,
        }
    }

    /// The same at a sixteenth of the input's size, with half the dilations: a fourth of the work.
    ///
    /// # Source
    /// The dilations of mmsegmentation 1.2,
    /// `configs/deeplabv3/deeplabv3_r101-d16-mg124_4xb2-40k_cityscapes-512x1024.py`.
    pub fn mmseg_d16() -> Self {
        Self { output_stride: 16, dilations: vec![1, 6, 12, 18], ..Self::mmseg() }
    }

    /// Where the backbone lies, under timm's names.
    pub fn backbone(&self) -> &'static str {
        "backbone.timm_model"
    }

    /// Where the convolution that tells the classes lies.
    pub fn class_layer(&self) -> &'static str {
        "decode_head.conv_seg"
    }

    /// The same with as many classes as the head of a checkpoint has. A checkpoint without one is
    /// left for the load to refuse, which names everything that is missing.
    ///
    /// # Errors
    /// A head that can't be read.
    pub fn with_classes_of(&self, checkpoint: &Checkpoint) -> std::result::Result<Self, Error> {
        let bias = checkpoint.tensor(&format!("{}.bias", self.class_layer()))?;
        let classes = bias.map_or(self.classes, |bias| bias.elem_count());
        Ok(Self { classes, ..self.clone() })
    }

    /// The classes of each picture's own pixels, from the logits of the batch: resized to the
    /// input, freed of padding, resized to the picture; then the highest wins.
    ///
    /// # Errors
    /// Logits of another batch, or such that are no numbers.
    pub fn label_maps(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        label_maps(logits, batch, false)
    }

    /// Refuses what no network can be built from.
    ///
    /// # Errors
    /// No classes or more than 255, no channels, dilations of 0 or of more than 1024, a dropout
    /// outside 0 to 1, an input that no picture can be fitted to.
    pub fn check(&self) -> Result<()> {
        if !(1..=255).contains(&self.classes) {
            bail!("{} classes: expected 1 to 255", self.classes)
        }
        if self.channels == 0 {
            bail!("0 channels: expected at least 1")
        }
        if let Some(dilation) = self.dilations.iter().find(|d| !(1..=FARTHEST).contains(*d)) {
            bail!("a dilation of {dilation}: expected 1 to {FARTHEST}")
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
    fn nonsense_is_refused() {
        let config = DeepLabV3Config::mmseg;
        let refused = [
            DeepLabV3Config { classes: 0, ..config() },
            DeepLabV3Config { classes: 256, ..config() },
            DeepLabV3Config { channels: 0, ..config() },
            DeepLabV3Config { dilations: vec![1, 0], ..config() },
            DeepLabV3Config { dilations: vec![usize::MAX], ..config() },
            DeepLabV3Config { dropout: 1.0, ..config() },
        ];
        assert!(refused.iter().all(|config| config.check().is_err()));
    }
}
