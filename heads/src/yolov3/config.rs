//! What a YOLOv3 looks like.

use super::YoloPostProcess;
use crate::placement::{InputConfig, Padding};
use candle::{Result, bail};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Error, Taps};

/// What a cell tells of an anchor besides its classes: x, y, width, height, and whether there is an
/// object.
pub(super) const ATTRIBUTES: usize = 5;
/// Where the bias of the coarsest level lies, which tells how many classes there are.
const BIAS: &str = "bbox_head.convs_pred.0.bias";

/// What a YOLOv3 looks like.
///
/// # Example
/// ```
/// use heads::yolov3::YoloV3Config;
/// let two = YoloV3Config { classes: 2, ..YoloV3Config::mmdet() };
/// assert!(two.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct YoloV3Config {
    /// Scores per anchor.
    pub classes: usize,
    /// Which of the backbone's maps it stands on.
    pub taps: Taps,
    /// Channels of the neck; its 3x3 convolutions have twice as many.
    pub channels: usize,
    /// Width and height of the anchors in pixels, for the levels of stride 32, 16 and 8.
    pub anchors: [[(f32, f32); 3]; 3],
    /// From raw outputs to detections.
    pub postprocess: YoloPostProcess,
    /// From pictures to the network's input.
    pub input: InputConfig,
}

impl YoloV3Config {
    /// mmdetection's `yolov3_mobilenetv2` with another backbone, for pictures of 416 pixels.
    ///
    /// # Source
    /// mmdetection 3.3, `configs/yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py`.
    pub fn mmdet() -> Self {
        Self {
            classes: 80,
            taps: Taps::Timm,
            channels: 96,
            anchors: [
                [(116.0, 90.0), (156.0, 198.0), (373.0, 326.0)],
                [(30.0, 61.0), (62.0, 45.0), (59.0, 119.0)],
                [(10.0, 13.0), (16.0, 30.0), (33.0, 23.0)],
            ],
            postprocess: YoloPostProcess {
                object_threshold: 0.005,
                score_threshold: 0.05,
                candidates: 1000,
                iou_threshold: 0.45,
                detections: 100,
            },
            input: InputConfig {
                short_side: 416,
                long_side: 416,
                padding: Padding::Multiple(32),
                ..InputConfig::mmdet()
            },
        }
    }

    /// The same for pictures of 320 pixels, with anchors of its own.
    ///
    /// # Source
    /// mmdetection 3.3, `configs/yolo/yolov3_mobilenetv2_8xb24-320-300e_coco.py`.
    pub fn mmdet_320() -> Self {
        let larger = Self::mmdet();
        Self {
            anchors: [
                [(220.0, 125.0), (128.0, 222.0), (264.0, 266.0)],
                [(35.0, 87.0), (102.0, 96.0), (60.0, 170.0)],
                [(10.0, 15.0), (24.0, 36.0), (72.0, 42.0)],
            ],
            input: larger.input.with_side(320),
            ..larger
        }
    }

    /// Where the backbone lies, under timm's names.
    pub fn backbone(&self) -> &'static str {
        "backbone.timm_model"
    }

    /// The same with as many classes as the head of a checkpoint has. A checkpoint without one is
    /// left for the load to refuse, which names everything that is missing.
    ///
    /// # Errors
    /// A head whose outputs are not those of three anchors, or that can't be read.
    pub fn with_classes_of(&self, checkpoint: &Checkpoint) -> std::result::Result<Self, Error> {
        let Some(bias) = checkpoint.tensor(BIAS)? else { return Ok(self.clone()) };
        let outputs = bias.elem_count();
        match outputs / 3 {
            each if outputs.is_multiple_of(3) && each > ATTRIBUTES => {
                Ok(Self { classes: each - ATTRIBUTES, ..self.clone() })
            }
            _ => Err(Error::Config {
                origin: checkpoint.origin().into(),
                reason: format!(
                    "{BIAS} has {outputs} values: expected 3 times {ATTRIBUTES} and the classes"
                ),
            }),
        }
    }

    /// Channels of each raw output.
    pub(super) fn outputs(&self) -> usize {
        3 * (ATTRIBUTES + self.classes)
    }

    /// Refuses what no detector can be built from.
    ///
    /// # Errors
    /// No classes or channels, anchors without area, thresholds outside 0 to 1.
    pub fn check(&self) -> Result<()> {
        if self.classes == 0 || self.channels == 0 {
            bail!("{} classes and {} channels: expected at least 1", self.classes, self.channels)
        }
        let sound = |side: f32| side.is_finite() && side > 0.0;
        if let Some(anchor) = self.anchors.iter().flatten().find(|a| !sound(a.0) || !sound(a.1)) {
            bail!("an anchor of {anchor:?} pixels: expected more than 0")
        }
        let YoloPostProcess { object_threshold, score_threshold, iou_threshold, .. } =
            self.postprocess;
        for (name, value) in [
            ("object_threshold", f64::from(object_threshold)),
            ("score_threshold", f64::from(score_threshold)),
            ("iou_threshold", iou_threshold),
        ] {
            if !(0.0..=1.0).contains(&value) {
                bail!("{name} {value} is out of range: expected 0 to 1")
            }
        }
        self.input.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused() {
        let config = YoloV3Config::mmdet;
        config().check().unwrap();
        YoloV3Config::mmdet_320().check().unwrap();
        let mut flat = config();
        flat.anchors[1][2].1 = 0.0;
        let unsure = YoloPostProcess { score_threshold: f32::NAN, ..config().postprocess };
        let refused = [
            flat,
            YoloV3Config { classes: 0, ..config() },
            YoloV3Config { channels: 0, ..config() },
            YoloV3Config { postprocess: unsure, ..config() },
        ];
        assert!(refused.iter().all(|config| config.check().is_err()));
    }
}
