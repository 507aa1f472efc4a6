//! How a network is packed and how its plans run.

use crate::isa::AnyIsa;

/// How a network is packed and how its plans run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Threads, the caller's among them; `None` takes the size of the ambient rayon pool.
    pub threads: Option<usize>,
    /// The instruction set; `None` takes the best that the CPU has.
    pub isa: Option<AnyIsa>,
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

    /// The number of threads that these options mean here.
    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(rayon::current_num_threads).max(1)
    }
}
