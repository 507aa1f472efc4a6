//! The architecture as data: one table for GhostNet V1, V2 and V3, and the few
//! rules that turn it into channels for a width.
//!
//! # Source
//! Table 1 of GhostNet (arXiv 1911.11907); GhostNetV2 (arXiv 2211.12905) and GhostNetV3
//! (arXiv 2404.11202) keep it. Rounding and names as in timm's `models/ghostnet.py`.

use crate::ops::ConvAlgorithm;
use candle::{Result, bail};

/// Which paper's blocks the table is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// GhostNet: ghost modules only.
    V1,
    /// GhostNetV2: DFC attention on the expanding ghost module of every bottleneck but the first two.
    V2,
    /// GhostNetV3: V2's topology, trained with parallel branches that fuse into single convolutions.
    V3,
}

/// Whose network the table is built as. Names of tensors are the same for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Release {
    /// The authors' in PyTorch, which timm has too.
    #[default]
    PyTorch,
    /// The authors' of GhostNetV2 in MindSpore: channels are rounded up, a quarter of a count is
    /// rounded down before, and DFC attention is upsampled by mixing neighbours, corners aligned.
    ///
    /// # Source
    /// `research/cv/ghostnetv2/src/ghostnetv2.py` of MindSpore's models, whose `ops.interpolate`
    /// of 2022 aligns corners unless it is told otherwise. It asks for square inputs; here others
    /// are upsampled in the same manner.
    MindSpore,
}

/// Before the name of a configuration of MindSpore's.
const MINDSPORE: &str = "mindspore_";

/// One bottleneck of the table, at width 1.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Kernel side of the strided and of the shortcut depthwise convolution.
    pub kernel: usize,
    /// Channels after the first ghost module (expansion size).
    pub expansion: usize,
    /// Channels after the second ghost module.
    pub out: usize,
    /// Squeeze-and-excitation ratio, 0 for none.
    pub se_ratio: f64,
    /// Stride of the bottleneck.
    pub stride: usize,
}

const fn row(kernel: usize, expansion: usize, out: usize, se_ratio: f64, stride: usize) -> Row {
    Row { kernel, expansion, out, se_ratio, stride }
}

/// The stages `blocks.0` to `blocks.8`: kernel, expansion, out, SE ratio, stride.
#[rustfmt::skip]
pub const STAGES: [&[Row]; 9] = [
    &[row(3,  16,  16, 0.0,  1)],  // stride 2
    &[row(3,  48,  24, 0.0,  2)],  // stride 4
    &[row(3,  72,  24, 0.0,  1)],
    &[row(5,  72,  40, 0.25, 2)],  // stride 8
    &[row(5, 120,  40, 0.25, 1)],
    &[row(3, 240,  80, 0.0,  2)],  // stride 16
    &[row(3, 200,  80, 0.0,  1),
      row(3, 184,  80, 0.0,  1),
      row(3, 184,  80, 0.0,  1),
      row(3, 480, 112, 0.25, 1),
      row(3, 672, 112, 0.25, 1)],
    &[row(5, 672, 160, 0.25, 2)],  // stride 32
    &[row(5, 960, 160, 0.0,  1),
      row(5, 960, 160, 0.25, 1),
      row(5, 960, 160, 0.0,  1),
      row(5, 960, 160, 0.25, 1)],
];

/// Channels of the stem at width 1.0.
pub(crate) const STEM: usize = 16;
/// Channels of `blocks.9`, the last 1x1 convolution, at width 1.0.
pub(crate) const LAST: usize = 960;
/// Channels of `conv_head`, at every width.
pub(crate) const HEAD: usize = 1280;
/// The first bottlenecks, counted over all stages, have no DFC attention.
pub(crate) const WITHOUT_DFC: usize = 2;

/// The shortest side of an input, in pixels: at stride 32 DFC attention halves the map
/// once more, so it needs two cells there.
pub const MIN_SIDE: usize = 33;

/// What to build: version, width, input channels, and how to run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which paper's blocks.
    pub version: Version,
    /// Whose network of them.
    pub release: Release,
    /// Channel multiplier. Published: 0.5, 1.0, 1.3, 1.6; any from 0.05 to 16 works.
    pub width: f64,
    /// Channels of the input, 3 for RGB.
    pub in_channels: usize,
    /// Input pixels per cell of the coarsest map: 32, or 16 or 8 for dense heads such as DeepLabV3's.
    /// Strides that would make it coarser are left out, and every convolution is dilated by those
    /// that were left out before it: it sees the pixels that it was trained on, and the weights stay
    /// the same. DFC attention still pools two by two cells, and squeeze-and-excitation takes its
    /// mean over more of them, so that with these, cells need not equal those of the coarse map.
    ///
    /// # Source
    /// timm's `output_stride` as its `EfficientNetBuilder` has it for MobileNetV2 and V3, and the
    /// atrous algorithm (DeepLabV3, arXiv 1706.05587, section 3.1); timm's own GhostNets know 32
    /// only.
    pub output_stride: usize,
    /// V3 only: the checkpoint's branches are fused already (timm's `reparameterize_model`).
    pub reparameterized: bool,
    /// Dropout before the classifier, in training only.
    pub dropout: f32,
    /// How convolutions are computed.
    pub convolution: ConvAlgorithm,
}

impl Config {
    /// A version at a width, with the defaults of the published checkpoints.
    pub fn new(version: Version, width: f64) -> Self {
        let convolution = ConvAlgorithm::default();
        Self {
            version,
            release: Release::PyTorch,
            width,
            in_channels: 3,
            output_stride: 32,
            reparameterized: false,
            dropout: 0.2,
            convolution,
        }
    }

    /// GhostNet at a width: published at 0.5, 1.0 and 1.3.
    pub fn v1(width: f64) -> Self {
        Self::new(Version::V1, width)
    }

    /// GhostNetV2 at a width: published at 1.0, 1.3 and 1.6.
    pub fn v2(width: f64) -> Self {
        Self::new(Version::V2, width)
    }

    /// GhostNetV3 at a width: published at 0.5, 1.0, 1.3 and 1.6.
    pub fn v3(width: f64) -> Self {
        Self::new(Version::V3, width)
    }

    /// GhostNetV2 as MindSpore has it, at a width: published at 1.0.
    pub fn mindspore(width: f64) -> Self {
        Self { release: Release::MindSpore, ..Self::v2(width) }
    }

    /// The configuration that timm's model name stands for: `ghostnet_100`, `ghostnetv2_130`,
    /// `ghostnetv3_050`; the number is the width in hundredths, so `ghostnetv2_075` is one too.
    /// `mindspore_ghostnetv2_100` is MindSpore's, which timm does not have.
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::Config;
    /// assert_eq!(Config::from_name("ghostnetv2_130"), Some(Config::v2(1.3)));
    /// assert_eq!(Config::from_name("resnet50"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix(MINDSPORE) {
            let config = Self::from_name(name).filter(|config| config.version == Version::V2)?;
            let first = config.release == Release::PyTorch;
            return first.then_some(Self { release: Release::MindSpore, ..config });
        }
        let (family, hundredths) = name.rsplit_once('_')?;
        let version = match family {
            "ghostnet" => Version::V1,
            "ghostnetv2" => Version::V2,
            "ghostnetv3" => Version::V3,
            _ => return None,
        };
        if hundredths.len() != 3 || !hundredths.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let width = f64::from(hundredths.parse::<u16>().ok()?) / 100.0;
        (width > 0.0).then(|| Self::new(version, width))
    }

    /// timm's name of this configuration, the inverse of [`Config::from_name`].
    pub fn name(&self) -> String {
        let family = match self.version {
            Version::V1 => "ghostnet",
            Version::V2 => "ghostnetv2",
            Version::V3 => "ghostnetv3",
        };
        let release = match self.release {
            Release::PyTorch => "",
            Release::MindSpore => MINDSPORE,
        };
        format!("{release}{family}_{:03.0}", self.width * 100.0)
    }

    /// Refuses what no network can be built from.
    ///
    /// # Errors
    /// A width outside 0.05 to 16 (also NaN), no input channels, an output stride other than 8, 16
    /// and 32, or another version than GhostNetV2 in MindSpore's release.
    pub fn check(&self) -> Result<()> {
        if !(0.05..=16.0).contains(&self.width) {
            bail!("width {} is out of range: expected 0.05 to 16", self.width)
        }
        if self.in_channels == 0 {
            bail!("in_channels is 0: expected at least 1, 3 for RGB")
        }
        if ![8, 16, 32].contains(&self.output_stride) {
            bail!("output_stride {}: expected 8, 16 or 32", self.output_stride)
        }
        if self.release == Release::MindSpore && self.version != Version::V2 {
            bail!("{}: MindSpore's release is of GhostNetV2 only", self.name())
        }
        Ok(())
    }

    /// A channel count of the table at this width.
    pub(crate) fn channels(&self, at_width_1: usize) -> usize {
        let exact = at_width_1 as f64 * self.width;
        match self.release {
            Release::PyTorch => make_divisible(exact),
            Release::MindSpore => rounded_up(exact),
        }
    }

    /// Channels between the two layers of squeeze-and-excitation.
    pub(crate) fn squeezed(&self, channels: usize, ratio: f64) -> usize {
        let exact = channels as f64 * ratio;
        match self.release {
            Release::PyTorch => make_divisible(exact),
            Release::MindSpore => rounded_up(exact.floor()),
        }
    }
}

/// All channel counts are multiples of it.
const DIVISOR: usize = 4;

/// Rounds up to a multiple of 4.
fn rounded_up(v: f64) -> usize {
    (v / DIVISOR as f64).ceil() as usize * DIVISOR
}

/// Rounds to the nearest multiple of 4 (at least 4), but never below 90 % of `v`.
fn make_divisible(v: f64) -> usize {
    let rounded = ((v + DIVISOR as f64 / 2.0) as usize / DIVISOR * DIVISOR).max(DIVISOR);
    if (rounded as f64) < 0.9 * v { rounded + DIVISOR } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_timms() {
        // num_chs of timm 1.0.31: stem, then the outs 24, 40, 80, 112, 160 and the last 960.
        let channels =
            |width| [16, 24, 40, 80, 112, 160, 960].map(|c| Config::v2(width).channels(c));
        assert_eq!(channels(0.5), [8, 12, 20, 40, 56, 80, 480]);
        assert_eq!(channels(1.0), [16, 24, 40, 80, 112, 160, 960]);
        assert_eq!(channels(1.3), [20, 32, 52, 104, 144, 208, 1248]);
        assert_eq!(channels(1.6), [24, 40, 64, 128, 180, 256, 1536]);
    }

    #[test]
    fn mindspores_channels_are_rounded_up() {
        // Its _make_divisible is int(ceil(x / 4) * 4), and squeeze-and-excitation has a quarter of
        // the channels, rounded down first.
        let channels = |width| [16, 24, 40, 80].map(|c| Config::mindspore(width).channels(c));
        assert_eq!(channels(1.0), [16, 24, 40, 80]);
        assert_eq!(channels(0.9), [16, 24, 36, 72]);
        assert_eq!(channels(0.8), [16, 20, 32, 64]);
        let squeezed = |config: Config| [68, 72, 120].map(|c| config.squeezed(c, 0.25));
        assert_eq!(squeezed(Config::mindspore(1.0)), [20, 20, 32]);
        assert_eq!(squeezed(Config::v2(1.0)), [16, 20, 32]);
    }

    #[test]
    fn names_round_trip() {
        for name in [
            "ghostnet_050",
            "ghostnet_130",
            "ghostnetv2_160",
            "ghostnetv3_100",
            "ghostnetv2_075",
            "mindspore_ghostnetv2_100",
        ] {
            assert_eq!(Config::from_name(name).unwrap().name(), name);
        }
        for wrong in [
            "ghostnetv2",
            "ghostnetv2_1000",
            "ghostnetv2_000",
            "ghostnetv4_100",
            "ghostnetv2_1x0",
            "mindspore_ghostnet_100",
            "mindspore_mindspore_ghostnetv2_100",
            "",
        ] {
            assert_eq!(Config::from_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for width in [0.0, -1.0, 17.0, f64::NAN, f64::INFINITY] {
            assert!(Config::v2(width).check().is_err(), "{width}");
        }
        assert!(Config { in_channels: 0, ..Config::v2(1.0) }.check().is_err());
        for output_stride in [0, 1, 4, 12, 64, usize::MAX] {
            let error = Config { output_stride, ..Config::v2(1.0) }.check().unwrap_err();
            assert!(error.to_string().contains("expected 8, 16 or 32"), "{error}");
        }
    }
}
