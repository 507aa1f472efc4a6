//! How a network is packed and how its plans run.

use crate::isa::AnyIsa;

/// The precision of the weights of pointwise convolutions and fully connected layers, where nearly
/// all of them are. Sums, activations and all other weights are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// bfloat16, rounded to the nearest: half the memory, and half the traffic where weights
    /// stream through once.
    Bf16,
}

/// How a network is packed and how its plans run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Threads, the caller's among them; `None` takes the size of the ambient rayon pool.
    pub threads: Option<usize>,
    /// The instruction set; `None` takes the best that the CPU has.
    pub isa: Option<AnyIsa>,
    /// The precision of the large weights.
    pub precision: Precision,
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

    /// The number of threads that these options mean here.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(rayon::current_num_threads).max(1)
    }
}
