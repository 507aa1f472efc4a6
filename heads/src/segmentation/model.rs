//! The whole network: backbone, pyramid, head.

use super::head::Head;
use super::labels::{Logits, Rows, highest};
use super::{LabelMap, SemanticFpnConfig, Sliding, names};
use crate::backbone::timm;
use crate::fpn::Fpn;
use crate::placement::{Batch, Placement, Size};
use candle::{DType, Device, Result, Tensor, bail};
use candle_nn::VarBuilder;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Pyramid};

/// The maps that a Semantic FPN stands on.
const LEVELS: [Level; 4] = [Level::C2, Level::C3, Level::C4, Level::C5];

/// A Semantic FPN on any backbone that gives maps of strides 4 to 32.
///
/// # Example
/// An untrained one:
/// ```
/// use candle::{DType, Device, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use heads::placement::Batch;
/// use heads::segmentation::{SemanticFpn, SemanticFpnConfig};
/// # fn main() -> candle::Result<()> {
/// let weights = VarMap::new();
/// let vb = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
/// let config = SemanticFpnConfig { classes: 3, channels: 16, ..SemanticFpnConfig::lite() };
/// let network = SemanticFpn::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
/// let x = Tensor::rand(-1f32, 1., (1, 3, 64, 96), &Device::Cpu)?;
/// assert_eq!(network.forward_t(&x, false)?.dims(), [1, 3, 16, 24]);
/// let maps = network.segment_batch(&Batch::of_inputs(x)?)?;
/// assert_eq!(maps[0].size(), (64, 96));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SemanticFpn<B = Pyramid> {
    config: SemanticFpnConfig,
    backbone: B,
    fpn: Fpn,
    head: Head,
}

impl SemanticFpn {
    /// A Semantic FPN on a GhostNet.
    ///
    /// # Errors
    /// What [`SemanticFpnConfig::check`] and [`Config::check`] refuse, or what `vb` says of a
    /// weight.
    pub fn ghostnet(config: &SemanticFpnConfig, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let body = timm(vb.pp(config.names.backbone()));
        Self::new(config, Pyramid::new(backbone, config.taps, &LEVELS, body)?, vb)
    }

    /// A Semantic FPN on a GhostNet with the weights of a checkpoint, which must have all of them
    /// and nothing else; the number of classes is `config`'s, see
    /// [`SemanticFpnConfig::with_classes_of`].
    ///
    /// # Errors
    /// As [`SemanticFpn::ghostnet`]; [`ghostnetv2::Error::Mismatch`] with everything that is
    /// missing, unexpected or of another shape.
    pub fn load(
        config: &SemanticFpnConfig,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        checkpoint.load(DType::F32, device, |vb| Self::ghostnet(config, backbone, vb))
    }
}

impl<B: Backbone> SemanticFpn<B> {
    /// A Semantic FPN on a backbone that exists; `vb` is the root that its preset's names lie
    /// under.
    ///
    /// # Errors
    /// A backbone of other levels, what [`SemanticFpnConfig::check`] refuses, or what `vb` says of
    /// a weight.
    pub fn new(config: &SemanticFpnConfig, backbone: B, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let info = backbone.feature_info();
        let strides: Vec<_> = info.iter().map(|info| info.stride).collect();
        if strides != [4, 8, 16, 32] {
            bail!("a Semantic FPN on maps of strides {strides:?}: expected [4, 8, 16, 32]")
        }
        let channels: Vec<_> = info.iter().map(|info| info.channels).collect();
        let fpn = Fpn::new(&config.fpn(), &channels, names::fpn(config.names, &vb))?;
        let head = Head::new(config, fpn.levels(), &vb)?;
        Ok(Self { config: config.clone(), backbone, fpn, head })
    }

    /// What it looks like.
    pub fn config(&self) -> &SemanticFpnConfig {
        &self.config
    }

    /// The backbone.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// Logits at a quarter of the input's size.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, classes, ceil(H / 4), ceil(W / 4)]`.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let maps = self.backbone.features_t(x, train)?;
        self.head.forward_t(&self.fpn.forward_t(&maps, train)?, train)
    }

    /// The classes of each picture's own pixels.
    ///
    /// # Errors
    /// An input that the backbone can't take, or weights that give no numbers.
    pub fn segment_batch(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.label_maps(&self.forward_t(&batch.pixels, false)?, batch)
    }

    /// The classes of each picture's own pixels, from the logits of the batch: resized to the
    /// input, freed of padding, resized to the picture; then the highest wins.
    ///
    /// # Errors
    /// Logits of another batch, or such that are no numbers.
    pub fn label_maps(&self, logits: &Tensor, batch: &Batch) -> Result<Vec<LabelMap>> {
        let (logits, input) = (Logits::of_batch(logits)?, batch.size()?);
        if logits.len() != batch.placements.len() {
            bail!("logits of {} pictures, expected {}", logits.len(), batch.placements.len())
        }
        let map = |(logits, placement): (&Logits, &Placement)| {
            let rows = logits.rows().resized(logits.size, input, self.config.align_corners);
            in_picture(rows, placement)
        };
        logits.iter().zip(&batch.placements).map(map).collect()
    }

    /// [`SemanticFpn::segment_batch`] with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        let input = batch.size()?;
        let (corners, size) = sliding.windows(input)?;
        let classes = self.config.classes;
        let blank = |_| Logits::zeros(input, classes);
        let mut sums = batch.placements.iter().map(blank).collect::<Result<Vec<_>>>()?;
        let mut counts = vec![0f32; input.0 * input.1];
        for (y, x) in corners {
            let window = batch.pixels.narrow(2, y, size.0)?.narrow(3, x, size.1)?;
            let logits = Logits::of_batch(&self.forward_t(&window.contiguous()?, false)?)?;
            for (logits, sum) in logits.iter().zip(&mut sums) {
                let rows = logits.rows().resized(logits.size, size, self.config.align_corners);
                add(rows, size, sum, (y, x));
            }
            for row in counts.chunks_exact_mut(input.1).skip(y).take(size.0) {
                row[x..x + size.1].iter_mut().for_each(|count| *count += 1.0);
            }
        }
        let map = |(sum, placement): (&mut Logits, &Placement)| {
            for (pixel, count) in sum.values.chunks_exact_mut(classes).zip(&counts) {
                pixel.iter_mut().for_each(|value| *value /= count);
            }
            in_picture(sum.rows(), placement)
        };
        sums.iter_mut().zip(&batch.placements).map(map).collect()
    }
}

/// Labels of a picture, from rows of the input's size.
fn in_picture(rows: Rows, placement: &Placement) -> Result<LabelMap> {
    let Placement { original, resized, .. } = *placement;
    let labels = highest(rows.resized(resized, original, false), original.0);
    LabelMap::new(original, labels)
}

/// Adds the logits of a window to those of the input.
fn add(mut rows: Rows, window: Size, sum: &mut Logits, (y, x): (usize, usize)) {
    let (width, classes) = (sum.size.1, sum.classes);
    let mut row = Vec::new();
    for i in 0..window.0 {
        rows.read(i, &mut row);
        let target = &mut sum.values[((y + i) * width + x) * classes..][..row.len()];
        target.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value);
    }
}
