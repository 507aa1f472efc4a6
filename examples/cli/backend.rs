//! What computes a classifier: a plan on the CPU, or candle on any device; and in what precision.

use crate::calibrate::CalibrateArgs;
use crate::compute::{Compute, ComputeArgs, only_f32};
use crate::exit::Usage;
use crate::launches::Launches;
use anyhow::Result;
use candle::{DType, Device, Tensor};
use clap::{Args, ValueEnum};
use ghostnetv2::{GhostNet, Plan, PlanOptions, Timings};

/// `--device`, `--cpu`, `--threads`, `--backend`, `--precision`, `--calibrate`.
#[derive(Args, Clone, Debug)]
pub struct BackendArgs {
    #[command(flatten)]
    compute: ComputeArgs,
    /// Of a plan's large weights, and of what they are multiplied with; everything else is f32. On a
    /// GPU, of all weights and maps
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    #[command(flatten)]
    calibrate: CalibrateArgs,
}

/// Of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// As they are.
    F32,
    /// Rounded to half precision, on a GPU.
    F16,
    /// Rounded to bfloat16: half the memory.
    Bf16,
    /// Bytes, on a CPU: a quarter of the memory; see --calibrate.
    Int8,
}

impl Precision {
    /// As a plan calls it.
    ///
    /// # Errors
    /// f16, which plans do not know.
    pub fn of_plans(self) -> Result<ghostnetv2::Precision, Usage> {
        match self {
            Self::F32 => Ok(ghostnetv2::Precision::F32),
            Self::Bf16 => Ok(ghostnetv2::Precision::Bf16),
            Self::Int8 => Ok(ghostnetv2::Precision::Int8),
            Self::F16 => Err(Usage(
                "--precision f16 is for GPUs: a CPU computes in f32, bf16 or int8".into(),
            )),
        }
    }

    /// As a GPU stores weights and maps.
    ///
    /// # Errors
    /// int8, which GPUs do not know here.
    pub fn of_launches(self) -> Result<DType, Usage> {
        match self {
            Self::F32 => Ok(DType::F32),
            Self::F16 => Ok(DType::F16),
            Self::Bf16 => Ok(DType::BF16),
            Self::Int8 => Err(Usage(
                "--precision int8 is for CPUs: a GPU computes in f32, f16 or bf16; or give --cpu"
                    .into(),
            )),
        }
    }
}

/// What computes.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A plan with these options, and where its ranges for int8 come from.
    Plan(PlanOptions, CalibrateArgs),
    /// candle on this device.
    Candle(Device),
    /// A list of launches on this GPU, with weights and maps of this type.
    Launches(Device, DType),
}

impl BackendArgs {
    /// Chooses what computes and sets up the threads, which may start the program anew: to be
    /// called before anything else is done. `only_candle` is a flag that no plan can do.
    ///
    /// # Errors
    /// Flags that contradict each other, a device that is not there.
    pub fn open(&self, only_candle: Option<&str>, warn: impl Fn(&str)) -> Result<Backend> {
        self.calibrate.check(self.precision == Precision::Int8)?;
        match self.compute.choose(only_candle, warn)? {
            Compute::Plan(options) => {
                let options = options.with_precision(self.precision.of_plans()?);
                Ok(Backend::Plan(options, self.calibrate.clone()))
            }
            Compute::Candle(device) if device.is_cuda() && self.compute.is_free(only_candle) => {
                Ok(Backend::Launches(device, self.precision.of_launches()?))
            }
            Compute::Candle(_) if self.precision != Precision::F32 => Err(only_f32().into()),
            Compute::Candle(device) => Ok(Backend::Candle(device)),
        }
    }
}

/// A network, ready to run.
#[derive(Debug)]
pub enum Net {
    /// Laid out for the CPU.
    Plan(Box<Plan>),
    /// On candle's operations, with the device that it is on.
    Candle(Box<GhostNet>, Device),
    /// Laid out for a GPU.
    Launches(Box<Launches>),
}

impl Net {
    /// `[B, 3, H, W]` → `[B, classes]`; plans add the time of their steps to `timings`.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> candle::Result<Tensor> {
        match (self, timings) {
            (Self::Plan(plan), Some(timings)) => plan.forward_timed(x, timings),
            (Self::Plan(plan), None) => plan.forward(x),
            (Self::Candle(net, _), _) => net.forward(x),
            (Self::Launches(launches), _) => launches.forward(x),
        }
    }

    /// Where inputs should be.
    pub fn device(&self) -> &Device {
        match self {
            Self::Plan(_) => &Device::Cpu,
            Self::Candle(_, device) => device,
            Self::Launches(launches) => launches.device(),
        }
    }
}
