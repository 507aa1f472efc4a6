//! The presets by which RetinaNets have been trained.

use super::RetinaNetConfig;
use std::fmt;
use std::str::FromStr;

/// Who trained it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// torchvision's RetinaNet around timm's backbone, as in `retinanet_resnet50_fpn`.
    Torchvision,
    /// The same as in `retinanet_resnet50_fpn_v2`: group norms, P6 from C5, GIoU loss.
    TorchvisionV2,
    /// mmdetection's RetinaNet around `mmpretrain.TIMMBackbone`.
    Mmdet,
    /// This project's own, for phones: separable convolutions, 128 channels, 320 pixels.
    Lite,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Torchvision, Self::TorchvisionV2, Self::Mmdet, Self::Lite];

    /// `torchvision`, `torchvision-v2`, `mmdet` or `lite`.
    pub fn name(self) -> &'static str {
        ["torchvision", "torchvision-v2", "mmdet", "lite"][self as usize]
    }

    /// The configuration.
    pub fn config(self) -> RetinaNetConfig {
        match self {
            Self::Torchvision => RetinaNetConfig::torchvision(),
            Self::TorchvisionV2 => RetinaNetConfig::torchvision_v2(),
            Self::Mmdet => RetinaNetConfig::mmdet(),
            Self::Lite => RetinaNetConfig::lite(),
        }
    }
}

/// A name that is no preset's.
#[derive(Debug, thiserror::Error)]
#[error("unknown preset {0:?}: expected torchvision, torchvision-v2, mmdet or lite")]
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
        let error = "yolo".parse::<Preset>().unwrap_err().to_string();
        assert!(error.contains("yolo") && error.contains("torchvision-v2"), "{error}");
    }
}
