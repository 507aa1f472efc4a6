//! What computes: a plan on the CPU, or candle on any device.

use crate::device::DeviceArgs;
use crate::exit::Usage;
use crate::threads;
use anyhow::Result;
use candle::Device;
use clap::{Args, ValueEnum};
use ghostnetv2::{PlanOptions, Precision};

/// `--device`, `--cpu`, `--threads`, `--backend`.
#[derive(Args, Clone, Debug)]
pub struct ComputeArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads on the CPU [default: all cores, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// What computes: a plan, on the CPU only, or candle [default: plan on a CPU; on a CUDA device
    /// launches of fused kernels for classifiers, else candle]
    #[arg(long, value_enum, value_name = "BACKEND")]
    backend: Option<Choice>,
}

/// The same and `--precision`, for networks that know no int8.
#[derive(Args, Clone, Debug)]
pub struct FloatArgs {
    #[command(flatten)]
    compute: ComputeArgs,
    /// Of a plan's 1x1 convolutions, and of what they are multiplied with; everything else is f32
    #[arg(long, value_enum, default_value_t = Float::F32)]
    precision: Float,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Plan,
    Candle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Float {
    /// As they are.
    F32,
    /// Rounded to bfloat16: half the memory.
    Bf16,
}

/// What computes.
#[derive(Clone, Debug)]
pub enum Compute {
    /// A plan with these options.
    Plan(PlanOptions),
    /// candle on this device.
    Candle(Device),
}

impl Compute {
    /// Where weights are loaded to, and where inputs should be.
    pub fn device(&self) -> &Device {
        match self {
            Self::Plan(_) => &Device::Cpu,
            Self::Candle(device) => device,
        }
    }
}

impl FloatArgs {
    /// As [`ComputeArgs::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(&self, warn: impl Fn(&str)) -> Result<Compute> {
        let precision = match self.precision {
            Float::F32 => Precision::F32,
            Float::Bf16 => Precision::Bf16,
        };
        self.compute.open(precision, None, warn)
    }
}

impl ComputeArgs {
    /// Chooses what computes and sets up the threads, which may start the program anew: to be
    /// called before much else is done. `only_candle` is a flag that no plan can do.
    ///
    /// # Errors
    /// Flags that contradict each other, a device that is not there.
    pub fn open(
        &self,
        precision: Precision,
        only_candle: Option<&str>,
        warn: impl Fn(&str),
    ) -> Result<Compute> {
        match self.choose(only_candle, warn)? {
            Compute::Plan(options) => Ok(Compute::Plan(options.with_precision(precision))),
            Compute::Candle(_) if precision != Precision::F32 => Err(only_f32().into()),
            candle => Ok(candle),
        }
    }

    /// The same in whatever precision.
    ///
    /// # Errors
    /// As [`ComputeArgs::open`].
    pub(crate) fn choose(&self, only_candle: Option<&str>, warn: impl Fn(&str)) -> Result<Compute> {
        if self.backend == Some(Choice::Plan) {
            self.check_plan(only_candle)?;
        }
        let device = match self.backend {
            Some(Choice::Plan) => Device::Cpu,
            _ => self.device.open(warn)?,
        };
        let plan = match self.backend {
            Some(choice) => choice == Choice::Plan,
            None => device.is_cpu() && only_candle.is_none(),
        };
        if !plan {
            self.threads.map_or(Ok(()), threads::ensure)?;
            return Ok(Compute::Candle(device));
        }
        let mut options = PlanOptions::default();
        if let Some(threads) = self.threads {
            threads::limit_pool(threads)?;
            options = options.with_threads(threads.into());
        }
        Ok(Compute::Plan(options))
    }

    /// Whether neither a backend was asked for nor anything that only candle can do.
    pub(crate) fn is_free(&self, only_candle: Option<&str>) -> bool {
        self.backend.is_none() && only_candle.is_none()
    }

    fn check_plan(&self, only_candle: Option<&str>) -> Result<()> {
        let way_out = "or use --backend candle";
        if let Some(flag) = only_candle {
            let text = format!("{flag}: plans can't do that: leave it out, {way_out}");
            return Err(Usage(text).into());
        }
        if self.device.names_gpu() {
            let text = format!("--backend plan computes on a CPU: leave out --device, {way_out}");
            return Err(Usage(text).into());
        }
        Ok(())
    }
}

/// What candle says to any other precision.
pub(crate) fn only_f32() -> Usage {
    let text = "--precision: candle computes in f32 only: leave it out, or let a plan compute";
    Usage(text.into())
}
