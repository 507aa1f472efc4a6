//! Which device.

use crate::exit::Usage;
use anyhow::{Result, anyhow};
use candle::Device;
use clap::Args;
use std::str::FromStr;

/// `--device`, `--cpu`.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// Where to compute: auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: Choice,
    /// The same as --device cpu
    #[arg(long, conflicts_with = "device")]
    cpu: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda, cuda:N or metal".into()),
        }
    }
}

impl DeviceArgs {
    /// Opens the device.
    ///
    /// # Errors
    /// A device that was asked for and is not there; `auto` falls back to the CPU.
    pub fn open(&self, warn: impl Fn(&str)) -> Result<Device> {
        match if self.cpu { Choice::Cpu } else { self.device } {
            Choice::Cpu => Ok(Device::Cpu),
            Choice::Cuda(n) if cfg!(feature = "cuda") => {
                cuda(n).map_err(|reason| anyhow!("can't use CUDA device {n}: {reason}"))
            }
            Choice::Metal if cfg!(feature = "metal") => {
                Device::new_metal(0).map_err(|error| anyhow!("can't use Metal: {}", reason(&error)))
            }
            Choice::Cuda(_) => Err(missing("cuda")),
            Choice::Metal => Err(missing("metal")),
            Choice::Auto => Ok(automatic(warn)),
        }
    }

    /// Whether a GPU was asked for by name.
    pub fn names_gpu(&self) -> bool {
        matches!(self.device, Choice::Cuda(_) | Choice::Metal)
    }
}

fn missing(feature: &str) -> anyhow::Error {
    let text =
        format!("this program was built without {feature}: run it with --features {feature}");
    Usage(text).into()
}

fn automatic(warn: impl Fn(&str)) -> Device {
    let opened = if cfg!(feature = "cuda") {
        cuda(0)
    } else if cfg!(feature = "metal") {
        Device::new_metal(0).map_err(|error| reason(&error))
    } else {
        Ok(Device::Cpu)
    };
    opened.unwrap_or_else(|reason| {
        warn(&format!("computing on the CPU, since no GPU can be used: {reason}"));
        Device::Cpu
    })
}

/// A GPU, or why there is none.
fn cuda(n: usize) -> Result<Device, String> {
    #[cfg(feature = "cuda")]
    if !cuda_driver::is_installed() {
        return Err("no NVIDIA driver (libcuda.so.1) is installed".into());
    }
    let failed = |error| format!("no NVIDIA GPU with a driver: {}", reason(&error));
    Device::new_cuda(n).map_err(failed)
}

/// What an error of candle says, without the backtrace that may be below.
fn reason(error: &candle::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
