//! What is timed: a network in one setting.

use crate::int8::Score;
use crate::which::Which;
use clap::ValueEnum;
use cli::backend::Precision;
use ghostnetv2::ops::ConvAlgorithm;
use std::path::PathBuf;
use std::process::Command;

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// a plan
    Plan,
    /// candle with the convolutions of ghostnetv2::ops
    Candle,
    /// the same network from ordinary candle operations only
    CandleOps,
    /// the same network on candle's own conv2d, which loops over groups
    Stock,
    /// launches on a GPU
    Cuda,
    /// the same as one CUDA graph
    CudaGraph,
    /// as candle, on a GPU
    CudaCandle,
}

impl Backend {
    /// Whether it computes in this precision.
    pub(crate) fn knows(self, precision: Precision) -> bool {
        match self {
            Self::Plan => precision.of_plans().is_ok(),
            Self::Cuda | Self::CudaGraph => precision.of_launches().is_ok(),
            _ => precision == Precision::F32,
        }
    }

    /// Whether it needs a GPU.
    pub(crate) fn is_cuda(self) -> bool {
        matches!(self, Self::Cuda | Self::CudaGraph | Self::CudaCandle)
    }

    /// How candle convolves, where it does.
    pub(crate) fn algorithm(self) -> ConvAlgorithm {
        match self {
            Self::Plan | Self::Candle | Self::Cuda | Self::CudaGraph | Self::CudaCandle => {
                ConvAlgorithm::Kernels
            }
            Self::CandleOps => ConvAlgorithm::CandleOps,
            Self::Stock => ConvAlgorithm::Stock,
        }
    }
}

/// One line of the output.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) which: Which,
    pub(crate) weights: Option<PathBuf>,
    pub(crate) size: String,
    /// A file with the input.
    pub(crate) tensor: Option<PathBuf>,
    pub(crate) backend: Backend,
    pub(crate) precision: Precision,
    pub(crate) threads: u16,
    pub(crate) batch: u16,
    /// Whether detections or labels are made of raw outputs too.
    pub(crate) postprocess: bool,
    pub(crate) timing: bool,
    pub(crate) show_plan: bool,
    /// A file with the ranges of an int8 row.
    pub(crate) calibration: Option<PathBuf>,
    /// How often it is right, where that is asked for.
    pub(crate) score: Option<Score>,
}

impl Row {
    /// Whether this row and another compete.
    pub(crate) fn competes_with(&self, other: &Self) -> bool {
        (self.threads, self.batch) == (other.threads, other.batch)
    }

    /// Adds the arguments that make a process the one of this row.
    pub(crate) fn describe_to(&self, command: &mut Command) {
        command.args(["--worker", "--which", &self.which.name(), "--size", &self.size]);
        if let Some(weights) = &self.weights {
            command.arg("--weights").arg(weights);
        }
        if let Some(path) = &self.tensor {
            command.arg("--tensor").arg(path);
        }
        if let Some(path) = &self.calibration {
            command.arg("--calibrate").arg(path);
        }
        command.args(["--backend", &name(self.backend), "--precision", &name(self.precision)]);
        command.args(["--threads", &self.threads.to_string(), "--batch", &self.batch.to_string()]);
        command.args(self.postprocess.then_some("--postprocess"));
        command.args(self.timing.then_some("--timing"));
        command.args(self.show_plan.then_some("--show-plan"));
    }
}

/// What a value is called in arguments.
pub(crate) fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
