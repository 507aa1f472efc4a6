//! The whole detector: backbone, neck, head.

use super::layers::{Stack, Unit};
use super::{YoloV3Config, YoloV3Plan};
use crate::backbone::timm;
use crate::boxes::Detections;
use crate::layers::{Conv2d, ConvSpec, Start, only};
use crate::placement::Batch;
use candle::{DType, Device, Error, Result, Tensor, bail};
use candle_nn::VarBuilder;
use engine::plan::{Activation, Extent, Interpolation, NetworkBuilder, Value};
use ghostnetv2::ops::upsample_nearest2d;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Backbone, Config, Level, Plan, PlanOptions, Pyramid};

/// The maps that it stands on.
const LEVELS: [Level; 3] = [Level::C3, Level::C4, Level::C5];

/// A YOLOv3 on any backbone that gives maps of strides 8, 16 and 32.
///
/// # Example
/// ```
/// use candle::{DType, Device, Tensor};
/// use heads::yolov3::{YoloV3, YoloV3Config};
/// # fn main() -> candle::Result<()> {
/// let vb = heads::Seeded::new(7).var_builder(DType::F32, &Device::Cpu);
/// let config = YoloV3Config { classes: 3, channels: 8, ..YoloV3Config::mmdet() };
/// let detector = YoloV3::ghostnet(&config, &ghostnetv2::Config::v2(0.5), vb)?;
/// let x = Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?;
/// let raw = detector.forward_t(&x, false)?; // coarse to fine
/// assert_eq!(raw[0].dims(), [1, 3 * (5 + 3), 2, 3]);
/// assert_eq!(raw[2].dims(), [1, 3 * (5 + 3), 8, 12]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct YoloV3<B = Pyramid> {
    config: YoloV3Config,
    backbone: B,
    levels: Vec<Scale>,
}

/// What makes the raw output of one level, coarse to fine.
#[derive(Clone, Debug)]
struct Scale {
    /// Of what the coarser level gave, before it grows; the coarsest has none above it.
    narrow: Option<Unit>,
    stack: Stack,
    bridge: Unit,
    predictor: Conv2d,
}

impl YoloV3 {
    /// A YOLOv3 on a GhostNet.
    ///
    /// # Errors
    /// What [`YoloV3Config::check`] and [`Config::check`] refuse, or what `vb` says of a weight.
    pub fn ghostnet(config: &YoloV3Config, backbone: &Config, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let body = timm(vb.pp(config.backbone()));
        Self::new(config, Pyramid::new(backbone, config.taps, &LEVELS, body)?, vb)
    }

    /// A YOLOv3 on a GhostNet with the weights of a checkpoint, which must have all of them and
    /// nothing else, under mmdetection's names; the number of classes is `config`'s, see
    /// [`YoloV3Config::with_classes_of`].
    ///
    /// # Errors
    /// As [`YoloV3::ghostnet`]; [`ghostnetv2::Error::Mismatch`] with everything that is missing,
    /// unexpected or of another shape.
    pub fn load(
        config: &YoloV3Config,
        backbone: &Config,
        checkpoint: &Checkpoint,
        device: &Device,
    ) -> std::result::Result<Self, ghostnetv2::Error> {
        checkpoint.load(DType::F32, device, |vb| Self::ghostnet(config, backbone, vb))
    }

    /// A plan of this detector for a CPU, from pixels to raw outputs, laid out for inputs of
    /// `shape` `[B, 3, H, W]`. It is a copy of the weights as they are now.
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    pub fn plan(&self, shape: &[usize; 4], options: &PlanOptions) -> Result<YoloV3Plan> {
        let (mut net, x) = NetworkBuilder::new(options, self.backbone.in_channels()?);
        let maps = self.backbone.lower(&mut net, x)?;
        let mut outputs = Vec::with_capacity(self.levels.len());
        let mut coarser: Option<Value> = None;
        for (scale, &map) in self.levels.iter().zip(maps.iter().rev()) {
            let y = scale.lower(&mut net, map, coarser)?;
            outputs.push(scale.lower_outputs(&mut net, y)?);
            coarser = Some(y);
        }
        let plan = Plan::new(net.build(&outputs), shape, options)?;
        Ok(YoloV3Plan::new(self.config.clone(), plan))
    }
}

impl<B: Backbone> YoloV3<B> {
    /// A YOLOv3 on a backbone that exists; `vb` is the root that mmdetection's names lie under.
    ///
    /// # Errors
    /// A backbone of other levels, what [`YoloV3Config::check`] refuses, or what `vb` says of a
    /// weight.
    pub fn new(config: &YoloV3Config, backbone: B, vb: VarBuilder) -> Result<Self> {
        config.check()?;
        let info = backbone.feature_info();
        let strides: Vec<_> = info.iter().map(|info| info.stride).collect();
        if strides != [8, 16, 32] {
            bail!("a YOLOv3 on maps of strides {strides:?}: expected [8, 16, 32]")
        }
        let widths = info.iter().rev().map(|info| info.channels).enumerate();
        let levels = widths.map(|(i, width)| Scale::new(config, i, width, &vb));
        let levels = levels.collect::<Result<_>>()?;
        Ok(Self { config: config.clone(), backbone, levels })
    }

    /// What it looks like.
    pub fn config(&self) -> &YoloV3Config {
        &self.config
    }

    /// The backbone.
    pub fn backbone(&self) -> &B {
        &self.backbone
    }

    /// Raw outputs of each level, coarse to fine.
    ///
    /// # Shapes
    /// `[B, 3, H, W]` → `[B, 3 * (5 + classes), H_i, W_i]` each: for each anchor x, y, width,
    /// height, whether there is an object, and the classes.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn forward_t(&self, x: &Tensor, train: bool) -> Result<Vec<Tensor>> {
        let maps = self.backbone.features_t(x, train)?;
        let mut outputs = Vec::with_capacity(self.levels.len());
        let mut coarser: Option<Tensor> = None;
        for (scale, map) in self.levels.iter().zip(maps.iter().rev()) {
            let y = scale.forward_t(map, coarser.as_ref(), train)?;
            outputs.push(scale.predictor.forward(&scale.bridge.forward_t(&y, train)?)?);
            coarser = Some(y);
        }
        Ok(outputs)
    }

    /// What is in each picture of a batch, in its own pixels.
    ///
    /// # Errors
    /// An input that the backbone can't take.
    pub fn detect_batch(&self, batch: &Batch) -> Result<Vec<Detections>> {
        if batch.placements.is_empty() {
            return Ok(Vec::new());
        }
        self.config.detections(&self.forward_t(&batch.pixels, false)?, batch)
    }
}

impl Scale {
    /// Level `i`, counted from the coarsest, on a map of `width` channels.
    fn new(config: &YoloV3Config, i: usize, width: usize, vb: &VarBuilder) -> Result<Self> {
        let (channels, neck, head) = (config.channels, vb.pp("neck"), vb.pp("bbox_head"));
        let narrow = match i {
            0 => None,
            _ => Some(Unit::new(channels, channels, 1, neck.pp(format!("conv{i}")))?),
        };
        let width = if i == 0 { width } else { width + channels };
        let spec = ConvSpec {
            in_channels: channels,
            out_channels: config.outputs(),
            kernel: 1,
            stride: 1,
            bias: true,
            // Neither objects nor classes are likely before training.
            start: Start::Small(-4.6),
        };
        Ok(Self {
            narrow,
            stack: Stack::new(width, channels, &neck.pp(format!("detect{}", i + 1)))?,
            bridge: Unit::new(channels, channels, 3, head.pp("convs_bridge").pp(i))?,
            predictor: spec.conv(head.pp("convs_pred").pp(i))?,
        })
    }

    fn forward_t(&self, map: &Tensor, coarser: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let (Some(narrow), Some(coarser)) = (&self.narrow, coarser) else {
            return self.stack.forward_t(map, train);
        };
        let (_, _, h, w) = map.dims4()?;
        let grown = upsample_nearest2d(&narrow.forward_t(coarser, train)?, (h, w))?;
        self.stack.forward_t(&Tensor::cat(&[&grown, map], 1)?, train)
    }

    fn lower(&self, net: &mut NetworkBuilder, map: Value, coarser: Option<Value>) -> Result<Value> {
        let (Some(narrow), Some(coarser)) = (&self.narrow, coarser) else {
            return self.stack.lower(net, map);
        };
        let (nearest, same) = (Interpolation::Nearest, Activation::Identity);
        let y = narrow.lower(net, coarser)?;
        let grown = net.resize(y, Extent::Like(map), nearest, None, same).map_err(Error::wrap)?;
        let joined = net.concat(&[grown, map]).map_err(Error::wrap)?;
        self.stack.lower(net, joined)
    }

    fn lower_outputs(&self, net: &mut NetworkBuilder, y: Value) -> Result<Value> {
        let y = self.bridge.lower(net, y)?;
        only(&self.predictor.lower(net, &[y], &[], Activation::Identity)?)
    }
}
