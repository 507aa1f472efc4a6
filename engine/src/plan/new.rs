//! Laying a network out for one input shape, which is checked here once for all runs.

use std::sync::Arc;

use super::graph::Network;
use super::run::Plan;
use super::schedule::ALIGNMENT;
use super::step::Steps;
use super::{PlanError, PlanOptions, Shape};
use crate::team::Team;

impl Network {
    /// Lays out this network for inputs of `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// A shape that the network can't take.
    pub fn plan(
        self: &Arc<Self>,
        shape: [usize; 4],
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        let [batch, channels, height, width] = shape;
        let refuse = |reason: String| PlanError::Input { shape, reason };
        if height == 0 || width == 0 {
            return Err(refuse("expected at least one pixel".into()));
        }
        if channels != self.input_channels() {
            return Err(refuse(format!("expected {} channels", self.input_channels())));
        }
        let fits = |factors: &[usize]| {
            let product = factors.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
            product.is_some_and(|n| n <= isize::MAX as usize)
        };
        if !fits(&shape) {
            return Err(refuse("expected a size that can be addressed".into()));
        }
        if let Some(value) = self.outputs.iter().find(|v| v.0 == 0 || v.0 >= self.nodes.len()) {
            let reason = format!("{value:?} is no value that this network computes");
            return Err(PlanError::Operands { operation: "output", reason });
        }
        let input = Shape { channels, height, width };
        if let Some(calibration) = &self.calibration {
            calibration.check(self)?;
        }
        let team = Team::of(options.thread_count());
        let shapes = super::infer::shapes(self, input)?;
        // Inputs, outputs and vectors between them that lie side by side for the whole batch are
        // some of these, so that none of their sizes overflows.
        let values = shapes.iter().try_fold(0_usize, |sum, shape| {
            sum.checked_add(shape.len().next_multiple_of(ALIGNMENT))
        });
        if !values.is_some_and(|values| fits(&[batch, values, size_of::<f32>()])) {
            return Err(refuse("expected values that can be addressed".into()));
        }
        let steps = Steps::new(self, &shapes, batch, team.members());
        let outputs: Vec<Shape> = self.outputs.iter().map(|value| shapes[value.0]).collect();
        Ok(Plan { network: self.clone(), steps, team, batch, input, outputs })
    }
}
