//! How a network is packed and how its plans run.

use std::sync::Arc;

use super::Calibration;
use crate::isa::AnyIsa;

/// The precision of the weights of pointwise convolutions and fully connected layers, where nearly
/// all of them are. Maps and all other weights are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// bfloat16, rounded to the nearest: half the memory, and half the traffic where weights
    /// stream through once. They are widened and multiplied in f32, but where
    /// [`AnyIsa::has_halves`] and an operation has 32 inputs or more: there the input is rounded to
    /// bfloat16 too, numbers below 2^-126 count as zero, and products are summed in pairs, of maps
    /// in tile registers where the CPU has AMX.
    Bf16,
    /// Whole numbers of 8 bits, a quarter of the memory: weights from -127 to 127 with a scale for
    /// each output, inputs from 0 to 255 with one scale and zero for each operation, which come
    /// from a [`Calibration`]. Sums are exact, the same on every instruction set; inputs beyond
    /// the calibrated range are clipped, and a NaN becomes some number inside it.
    Int8,
}

/// How a network is packed and how its plans run.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Threads, the caller's among them; `None` takes the size of the ambient rayon pool.
    pub threads: Option<usize>,
    /// The instruction set; `None` takes the best that the CPU has.
    pub isa: Option<AnyIsa>,
    /// The precision of the large weights.
    pub precision: Precision,
    /// Ranges of the network's values, for [`Precision::Int8`] only.
    pub calibration: Option<Arc<Calibration>>,
}

impl PlanOptions {
    /// With so many threads, at least one.
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads: Some(threads.max(1)), ..self }
    }

    /// With this instruction set.
    pub fn with_isa(self, isa: AnyIsa) -> Self {
        Self { isa: Some(isa), ..self }
    }

    /// With weights of this precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// With these ranges, which [`Precision::Int8`] needs.
    pub fn with_calibration(self, calibration: impl Into<Arc<Calibration>>) -> Self {
        Self { calibration: Some(calibration.into()), ..self }
    }

    /// The number of threads that these options mean here.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(rayon::current_num_threads).max(1)
    }
}
