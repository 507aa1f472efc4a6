//! What the matrices of a running plan are multiplied with.

use super::graph::Network;
use super::step::{Action, Place, Step};
use super::task::Frame;
use super::{Calibration, PlanError};

/// Ranges that grow while a plan runs, and what went wrong first.
pub(super) struct Ranges<'a> {
    pub(super) calibration: &'a mut Calibration,
    pub(super) result: Result<(), PlanError>,
}

impl Ranges<'_> {
    /// Looks at the input of a step that is about to run, if that is a matrix's.
    ///
    /// # Safety
    /// The frame's memory must be as large as the plan says, its input computed, and nobody may
    /// write to it meanwhile.
    pub(super) unsafe fn observe(&mut self, network: &Network, step: &Step, frame: &Frame) {
        let (Action::Compute(node) | Action::Module(node) | Action::Planes(node, _)) = step.action
        else {
            return;
        };
        if network.nodes[node].op.matrix().is_none() || self.result.is_err() {
            return;
        }
        let channels = step.input.channels;
        let (x, len) = match step.x {
            Place::Batch(_) => (frame.all(step.x), frame.picture * channels),
            place => (frame.at(place, channels), step.input.len()),
        };
        // SAFETY: as the caller's.
        let (values, scale) = unsafe {
            let slice = |at: *mut f32, len| std::slice::from_raw_parts(at.cast_const(), len);
            (slice(x, len), step.scale.map(|scale| slice(frame.at(scale, channels), channels)))
        };
        // Weights that are shared have one way of rounding, that of the node that has them.
        let owner = network.nodes[node].repeats.unwrap_or(node);
        self.result = self.calibration.observe(owner, channels, values, scale);
    }
}
