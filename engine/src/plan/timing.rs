//! Where the time goes, by kind of operation.

use std::time::Duration;

use super::graph::Network;
use super::step::{Action, Step};

/// Time and work of one kind of operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// The kind, as in a plan's listing.
    pub kind: &'static str,
    /// Steps that were run.
    pub calls: usize,
    /// Their time.
    pub time: Duration,
    /// Their multiply-adds.
    pub multiply_adds: usize,
}

impl Timing {
    /// Billions of additions and multiplications in a second.
    pub fn gflops(&self) -> f64 {
        2e-9 * self.multiply_adds as f64 / self.time.as_secs_f64().max(1e-12)
    }
}

/// Times of all kinds, in the order in which they first came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timings(Vec<Timing>);

impl Timings {
    /// The kinds.
    pub fn kinds(&self) -> &[Timing] {
        &self.0
    }

    pub(super) fn add(&mut self, kind: &'static str, multiply_adds: usize, time: Duration) {
        let known = self.0.iter().position(|timing| timing.kind == kind);
        let index = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(Timing { kind, calls: 0, time: Duration::ZERO, multiply_adds: 0 });
        }
        let timing = &mut self.0[index];
        timing.calls += 1;
        timing.time += time;
        timing.multiply_adds += multiply_adds;
    }
}

/// The kind of a step.
pub(super) fn kind(network: &Network, step: &Step) -> &'static str {
    match step.action {
        Action::Compute(node)
        | Action::Module(node)
        | Action::Primary(node)
        | Action::Planes(node, _) => network.nodes[node].op.kind(),
        Action::Then(_) => "depthwise",
        Action::Export(_) => "export",
    }
}
