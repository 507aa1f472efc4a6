//! The network of a row, loaded and ready to be called.

use crate::headed::headed;
use crate::random;
use crate::row::{Backend, Row};
use crate::which::Which;
use anyhow::{Context, Result};
use candle::{DType, Device, Tensor};
use cli::model::parse_size;
use cli::{detectors, segmenters, tensors};
use engine::isa::AnyIsa;
use engine::plan::{Plan, Scratch};
use ghostnetv2::weights::{Checkpoint, ModelSource};
use ghostnetv2::{Calibration, Config, Error, GhostNet, Timings};
use heads::deeplabv3::DeepLabV3;
use heads::retinanet::RetinaNet;
use heads::segmentation::SemanticFpn;
use heads::yolov3::YoloV3;
use std::path::Path;
use std::sync::Arc;

/// Classes of random weights: ImageNet's number.
const CLASSES: usize = 1000;

/// A network and what it is called with.
pub(crate) enum Network {
    /// A plan with all memory that it needs.
    Plan { plan: Arc<Plan>, scratch: Scratch, input: Vec<f32>, outputs: Vec<Vec<f32>> },
    /// Anything that is called with tensors and makes new ones; with the instruction set of this
    /// project's kernels, where they are used.
    Calls { call: Box<dyn FnMut() -> candle::Result<()>>, isa: Option<&'static str> },
}

impl Network {
    /// Loads the network of `row`.
    pub(crate) fn load(row: &Row) -> Result<Self> {
        let checkpoint = match &row.weights {
            Some(path) => Some(ModelSource::path(path.clone())?.open_local()?),
            None => None,
        };
        let checkpoint = checkpoint.as_ref();
        let (height, width) = parse_size(&row.size)?;
        let shape = [row.batch.into(), 3, height as usize, width as usize];
        let input = match &row.tensor {
            Some(path) => input_of(path, &shape)?,
            None => random::numbers("input").take(shape.iter().product()).collect(),
        };
        let config = match &row.which {
            Which::Classifier(config) => config,
            Which::Detector(detectors::Preset::RetinaNet(preset)) => {
                return headed::<RetinaNet>(row, &preset.config(), checkpoint, (&shape, input));
            }
            Which::Detector(detectors::Preset::YoloV3(preset)) => {
                return headed::<YoloV3>(row, &preset.config(), checkpoint, (&shape, input));
            }
            Which::Segmenter(segmenters::Preset::SemanticFpn(preset)) => {
                return headed::<SemanticFpn>(row, &preset.config(), checkpoint, (&shape, input));
            }
            Which::Segmenter(segmenters::Preset::DeepLabV3(preset)) => {
                return headed::<DeepLabV3>(row, &preset.config(), checkpoint, (&shape, input));
            }
        };
        let fused = |checkpoint: &Checkpoint| checkpoint.config().is_ok_and(|c| c.reparameterized);
        let config = Config {
            convolution: row.backend.algorithm(),
            reparameterized: checkpoint.is_some_and(fused),
            ..config.clone()
        };
        match row.backend {
            Backend::Plan => Self::plan(row, checkpoint, &config, &shape, input),
            Backend::Cuda | Backend::CudaGraph => {
                Self::cuda(row, checkpoint, &config, &shape, input)
            }
            _ => Self::candle(row, checkpoint, &config, &shape, input),
        }
    }

    /// A plan, and memory for all that it gives.
    pub(crate) fn of_plan(plan: Arc<Plan>, input: Vec<f32>) -> Result<Self> {
        let buffer = |shape: &engine::plan::Shape| vec![0.0; plan.input_shape()[0] * shape.len()];
        let outputs = plan.output_shapes().iter().map(buffer).collect();
        Ok(Self::Plan { scratch: plan.scratch()?, plan, input, outputs })
    }

    /// Something that is called, and computes with this project's kernels.
    pub(crate) fn calls(call: impl FnMut() -> candle::Result<()> + 'static) -> Self {
        Self::Calls { call: Box::new(call), isa: Some(AnyIsa::best().name()) }
    }

    fn plan(
        row: &Row,
        checkpoint: Option<&Checkpoint>,
        config: &Config,
        shape: &[usize; 4],
        input: Vec<f32>,
    ) -> Result<Self> {
        let options = row.plan_options()?;
        let plan = match checkpoint {
            Some(checkpoint) => checkpoint.plan(Some(config), shape, &options)?,
            None => GhostNet::plan_from(
                config,
                CLASSES,
                random::weights(&Device::Cpu),
                shape,
                &options,
            )?,
        };
        if row.show_plan {
            eprintln!("{plan}");
        }
        Self::of_plan(plan.engine().clone(), input)
    }

    fn candle(
        row: &Row,
        checkpoint: Option<&Checkpoint>,
        config: &Config,
        shape: &[usize; 4],
        input: Vec<f32>,
    ) -> Result<Self> {
        let device = match row.backend {
            Backend::CudaCandle => Device::new_cuda(0).context("can't use CUDA device 0")?,
            _ => Device::Cpu,
        };
        let net = ghostnet(checkpoint, config, &device)?;
        let input = Tensor::from_vec(input, shape, &device)?;
        let isa = (row.backend == Backend::Candle).then(|| AnyIsa::best().name());
        let call = move || {
            let y = net.forward(&input)?;
            // A GPU has only been asked when this returns: the copy waits for it.
            if device.is_cpu() { Ok(()) } else { y.to_device(&Device::Cpu).map(drop) }
        };
        Ok(Self::Calls { call: Box::new(call), isa })
    }

    #[cfg(feature = "cuda")]
    fn cuda(
        row: &Row,
        checkpoint: Option<&Checkpoint>,
        config: &Config,
        shape: &[usize; 4],
        input: Vec<f32>,
    ) -> Result<Self> {
        let dtype = row.precision.of_launches()?;
        let device = Device::new_cuda(0).context("can't use CUDA device 0")?;
        let net = ghostnet(checkpoint, config, &Device::Cpu)?;
        let plan = net.cuda_plan(*shape, dtype, &device)?;
        if row.backend == Backend::CudaGraph {
            plan.capture()?;
        }
        let input = Tensor::from_vec(input, shape, &device)?;
        let call = move || plan.forward(&input)?.to_device(&Device::Cpu).map(drop);
        Ok(Self::Calls { call: Box::new(call), isa: None })
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(
        row: &Row,
        _: Option<&Checkpoint>,
        _: &Config,
        _: &[usize; 4],
        _: Vec<f32>,
    ) -> Result<Self> {
        anyhow::bail!("{:?}: this program was built without cuda", row.backend)
    }

    /// Computes once.
    pub(crate) fn run(&mut self) -> Result<()> {
        match self {
            Self::Plan { plan, scratch, input, outputs } => {
                plan.run(scratch, input, &mut slices(outputs))?;
            }
            Self::Calls { call, .. } => call()?,
        }
        Ok(())
    }

    /// Computes once and adds the time of each step of a plan.
    pub(crate) fn run_timed(&mut self, timings: &mut Timings) -> Result<()> {
        if let Self::Plan { plan, scratch, input, outputs } = self {
            plan.run_timed(scratch, input, &mut slices(outputs), timings)?;
        }
        Ok(())
    }

    /// Computes once and takes the ranges of a plan's values.
    pub(crate) fn calibrate(&mut self, ranges: &mut Calibration) -> Result<()> {
        if let Self::Plan { plan, scratch, input, outputs } = self {
            plan.calibrate(scratch, input, &mut slices(outputs), ranges)?;
        }
        Ok(())
    }

    /// The instruction set of the kernels.
    pub(crate) fn isa(&self) -> Option<&'static str> {
        match self {
            Self::Plan { plan, .. } => Some(plan.network().isa().name()),
            Self::Calls { isa, .. } => *isa,
        }
    }
}

/// The values of a file's tensor `input`, which must have this shape.
fn input_of(path: &Path, shape: &[usize; 4]) -> Result<Vec<f32>> {
    let input = tensors::read_input(path, shape[1], &Device::Cpu)?;
    if input.dims() != shape {
        let reason = format!("input: expected shape {shape:?}, found {:?}", input.dims());
        return Err(Error::Config { origin: path.display().to_string(), reason }.into());
    }
    Ok(input.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// The network on a device, with V3's branches summed.
fn ghostnet(checkpoint: Option<&Checkpoint>, config: &Config, device: &Device) -> Result<GhostNet> {
    let mut net = match checkpoint {
        Some(checkpoint) => checkpoint.ghostnet(Some(config), device)?,
        None => GhostNet::new(config, CLASSES, random::weights(device))?,
    };
    net.fuse()?;
    Ok(net)
}

fn slices(outputs: &mut [Vec<f32>]) -> Vec<&mut [f32]> {
    outputs.iter_mut().map(Vec::as_mut_slice).collect()
}
