//! What a RetinaNet looks like.

use super::losses::{LossConfig, Normalizer};
use super::matcher::{LowQuality, Matcher};
use super::postprocess::PostProcess;
use super::{BoxLoss, HeadConfig, HeadNorm, Names};
use crate::ConvKind;
use crate::anchors::AnchorConfig;
use crate::coder::BoxCoder;
use crate::fpn::{ExtraLevels, ExtraSource, FpnConfig};
use crate::placement::InputConfig;
use candle::{Result, bail};
use ghostnetv2::Taps;
use ghostnetv2::weights::Checkpoint;

/// What a RetinaNet looks like.
///
/// # Example
/// ```
/// use heads::retinanet::{Preset, RetinaNetConfig};
/// let preset: Preset = "mmdet".parse().unwrap();
/// assert_eq!(preset.config().classes, 80);
/// let two = RetinaNetConfig { classes: 2, ..RetinaNetConfig::lite() };
/// assert!(two.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RetinaNetConfig {
    /// Scores per anchor. torchvision's 91 are COCO's own category ids, of which 0 is none.
    pub classes: usize,
    /// Which of the backbone's maps it stands on.
    pub taps: Taps,
    /// Channels of the pyramid and of both towers.
    pub channels: usize,
    /// How 3x3 convolutions are built.
    pub convolution: ConvKind,
    /// Convolutions in each tower.
    pub depth: usize,
    /// What stands behind each of them.
    pub norm: HeadNorm,
    /// How P6 and P7 are made.
    pub extra: ExtraLevels,
    /// Whose names the weights have.
    pub names: Names,
    /// The anchors.
    pub anchors: AnchorConfig,
    /// How boxes are told by the anchors.
    pub coder: BoxCoder,
    /// Which anchors learn which boxes.
    pub matcher: Matcher,
    /// What they learn.
    pub loss: LossConfig,
    /// From scores to detections.
    pub postprocess: PostProcess,
    /// From pictures to the network's input.
    pub input: InputConfig,
}

impl RetinaNetConfig {
    /// torchvision's `retinanet_resnet50_fpn` with another backbone.
    ///
    /// # Source
    /// torchvision 0.29, `models/detection/retinanet.py`.
    pub fn torchvision() -> Self {
        Self {
            classes: 91,
            taps: Taps::Timm,
            channels: 256,
            convolution: ConvKind::Dense,
            depth: 4,
            norm: HeadNorm::None,
            extra: ExtraLevels { source: ExtraSource::P5, relu: true },
            names: Names::Torchvision,
            anchors: AnchorConfig::torchvision(),
            coder: BoxCoder { bound_shrinking: false },
            matcher: Matcher { foreground: 0.5, background: 0.4, low_quality: LowQuality::OwnBest },
            loss: LossConfig {
                bbox: BoxLoss::L1,
                normalizer: Normalizer::EachPicture,
                alpha: Some(0.25),
                gamma: 2.0,
            },
            postprocess: PostProcess {
                score_threshold: 0.05,
                candidates: 1000,
                iou_threshold: 0.5,
                detections: 300,
                drop_empty: false,
            },
            input: InputConfig::torchvision(),
        }
    }

    /// torchvision's `retinanet_resnet50_fpn_v2` with another backbone.
    ///
    /// # Source
    /// As [`RetinaNetConfig::torchvision`].
    pub fn torchvision_v2() -> Self {
        let v1 = Self::torchvision();
        Self {
            norm: HeadNorm::Group(32),
            extra: ExtraLevels { source: ExtraSource::C5UnlessAsWide, relu: true },
            loss: LossConfig { bbox: BoxLoss::Giou, ..v1.loss },
            ..v1
        }
    }

    /// mmdetection's `retinanet_r50_fpn` with another backbone.
    ///
    /// # Source
    /// mmdetection 3.3, `configs/_base_/models/retinanet_r50_fpn.py` and the classes it names.
    pub fn mmdet() -> Self {
        let torchvision = Self::torchvision();
        Self {
            classes: 80,
            extra: ExtraLevels { source: ExtraSource::C5, relu: false },
            names: Names::Mmdet,
            anchors: AnchorConfig::mmdet(),
            coder: BoxCoder { bound_shrinking: true },
            matcher: Matcher { low_quality: LowQuality::ThatBox, ..torchvision.matcher },
            loss: LossConfig { normalizer: Normalizer::Batch, ..torchvision.loss },
            postprocess: PostProcess {
                detections: 100,
                drop_empty: true,
                ..torchvision.postprocess
            },
            input: InputConfig::mmdet(),
            ..torchvision
        }
    }

    /// A detector of phone size.
    ///
    /// # Source
    /// The RetinaNet of MobileNetV4 (arXiv 2404.10518): separable pyramid and towers, four
    /// convolutions deep, batch-norms of each level's own. Narrower (128 channels, not 256), and
    /// pictures are 320 pixels; the pyramid's norms stand directly behind its convolutions.
    pub fn lite() -> Self {
        let mmdet = Self::mmdet();
        Self {
            taps: Taps::StageEnds,
            channels: 128,
            convolution: ConvKind::Separable,
            norm: HeadNorm::BatchForLevels,
            extra: ExtraLevels { source: ExtraSource::P5, relu: true },
            names: Names::Torchvision,
            loss: LossConfig { bbox: BoxLoss::Giou, ..mmdet.loss },
            input: InputConfig::lite(320),
            ..mmdet
        }
    }

    /// The same with as many classes as the head of a checkpoint has. A checkpoint without one is
    /// left for the load to refuse, which names everything that is missing.
    ///
    /// # Errors
    /// A head whose outputs are not a multiple of the anchors, or that can't be read.
    pub fn with_classes_of(
        &self,
        checkpoint: &Checkpoint,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        let anchors = self.anchors.per_cell()?;
        let separable = self.convolution == ConvKind::Separable;
        let name = super::names::class_bias(self.names, separable);
        let Some(bias) = checkpoint.tensor(&name)? else { return Ok(self.clone()) };
        let outputs = bias.elem_count();
        match outputs % anchors {
            0 if outputs > 0 => Ok(Self { classes: outputs / anchors, ..self.clone() }),
            _ => Err(ghostnetv2::Error::Config {
                origin: checkpoint.origin().into(),
                reason: format!(
                    "{name} has {outputs} values: expected a multiple of {anchors}, the number of \
                     anchors per cell; set the anchors that this detector was trained with"
                ),
            }),
        }
    }

    /// Where the last convolution of the classes lies, whose shape tells how many there are.
    pub fn class_layer(&self) -> &'static str {
        super::names::class_layer(self.names)
    }

    /// The pyramid.
    pub fn fpn(&self) -> FpnConfig {
        FpnConfig {
            channels: self.channels,
            convolution: self.convolution,
            smooth: true,
            extra: Some(self.extra),
            names: self.names.of_fpn(),
        }
    }

    /// Both towers.
    ///
    /// # Errors
    /// As [`AnchorConfig::per_cell`].
    pub fn head(&self) -> Result<HeadConfig> {
        Ok(HeadConfig {
            classes: self.classes,
            anchors: self.anchors.per_cell()?,
            levels: self.anchors.sizes.len(),
            channels: self.channels,
            convolution: self.convolution,
            depth: self.depth,
            norm: self.norm,
            names: self.names,
        })
    }

    /// Refuses what no detector can be built from.
    ///
    /// # Errors
    /// No classes or channels, group norms that do not divide the channels, thresholds outside 0
    /// to 1, anchors that differ from level to level.
    pub fn check(&self) -> Result<()> {
        self.anchors.per_cell()?;
        if self.classes == 0 || self.channels == 0 {
            bail!("{} classes and {} channels: expected at least 1", self.classes, self.channels)
        }
        match self.norm {
            HeadNorm::Group(groups) if groups == 0 || !self.channels.is_multiple_of(groups) => {
                bail!(
                    "{groups} norm groups for {} channels: expected a divisor of them",
                    self.channels
                )
            }
            _ => {}
        }
        let PostProcess { score_threshold, iou_threshold, .. } = self.postprocess;
        let Matcher { foreground, background, .. } = self.matcher;
        for (name, value) in [
            ("score_threshold", f64::from(score_threshold)),
            ("iou_threshold", iou_threshold),
            ("foreground", f64::from(foreground)),
            ("background", f64::from(background)),
        ] {
            if !(0.0..=1.0).contains(&value) {
                bail!("{name} {value} is out of range: expected 0 to 1")
            }
        }
        if background > foreground {
            bail!("background {background} is above foreground {foreground}")
        }
        self.input.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        let config = RetinaNetConfig::torchvision_v2;
        let refused = [
            RetinaNetConfig { classes: 0, ..config() },
            RetinaNetConfig { channels: 100, ..config() },
            RetinaNetConfig { norm: HeadNorm::Group(0), ..config() },
            RetinaNetConfig {
                postprocess: PostProcess { iou_threshold: f64::NAN, ..config().postprocess },
                ..config()
            },
            RetinaNetConfig {
                matcher: Matcher { background: 0.6, ..config().matcher },
                ..config()
            },
        ];
        assert!(refused.iter().all(|config| config.check().is_err()));
    }
}
