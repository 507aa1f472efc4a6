//! The presets by which DeepLabV3s have been trained.

use super::DeepLabV3Config;
use std::fmt;
use std::str::FromStr;

/// At which part of the input's size it computes: mmsegmentation's `d8` and `d16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preset {
    /// An eighth: [`DeepLabV3Config::mmseg`].
    D8,
    /// A sixteenth: [`DeepLabV3Config::mmseg_d16`].
    D16,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 2] = [Self::D8, Self::D16];

    /// `deeplabv3` or `deeplabv3-d16`.
    pub fn name(self) -> &'static str {
        ["deeplabv3", "deeplabv3-d16"][self as usize]
    }

    /// The configuration.
    pub fn config(self) -> DeepLabV3Config {
        match self {
            Self::D8 => DeepLabV3Config::mmseg(),
            Self::D16 => DeepLabV3Config::mmseg_d16(),
        }
    }
}

/// A name that is no preset's.
#[derive(Debug, thiserror::Error)]
#[error("unknown preset {0:?}: expected deeplabv3 or deeplabv3-d16")]
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
        assert!("deeplab".parse::<Preset>().unwrap_err().to_string().contains("deeplabv3-d16"));
    }
}
