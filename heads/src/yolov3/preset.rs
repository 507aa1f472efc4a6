//! The presets by which YOLOv3s have been trained.

use super::YoloV3Config;
use std::fmt;
use std::str::FromStr;

/// For pictures of which size mmdetection trained it: that has other anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// 416 pixels: [`YoloV3Config::mmdet`].
    Mmdet,
    /// 320 pixels: [`YoloV3Config::mmdet_320`].
    Mmdet320,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 2] = [Self::Mmdet, Self::Mmdet320];

    /// `yolov3` or `yolov3-320`.
    pub fn name(self) -> &'static str {
        ["yolov3", "yolov3-320"][self as usize]
    }

    /// The configuration.
    pub fn config(self) -> YoloV3Config {
        match self {
            Self::Mmdet => YoloV3Config::mmdet(),
            Self::Mmdet320 => YoloV3Config::mmdet_320(),
        }
    }
}

/// A name that is no preset's.
#[derive(Debug, thiserror::Error)]
#[error("unknown preset {0:?}: expected yolov3 or yolov3-320")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_names_and_pass_their_own_check() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
            preset.config().check().unwrap();
        }
        assert!("yolo".parse::<Preset>().unwrap_err().to_string().contains("yolov3-320"));
    }
}
