//! Single steps: their sizes, how they are divided, the scratch and the tables that they need.

use std::collections::HashMap;

use super::Shape;
use super::graph::{Join, Network, Op, Value};
use super::product::block_pixels;
use super::resize::nearest;
use super::split::{Split, work};
use super::step::{Action, Place, Step};
use crate::nhwc::winograd;
use crate::nhwc::{conv, dfc, gemm, ghost, group_norm};

/// What is known of all values.
pub(super) struct Layout<'a> {
    pub(super) network: &'a Network,
    pub(super) places: &'a HashMap<Value, Place>,
    pub(super) shapes: &'a [Shape],
    pub(super) threads: usize,
}

impl Layout<'_> {
    /// The output that a pointwise convolution can write by itself, if it is one and just one, and
    /// has pixels enough for their vectors to be the columns of a product.
    pub(super) fn planes(&self, index: usize) -> Option<usize> {
        const LEAST_PIXELS: usize = 64;
        let Op::Pointwise { weights, add: None, .. } = &self.network.nodes[index].op else {
            return None;
        };
        let large = self.shapes[index].pixels() >= LEAST_PIXELS;
        let mut outputs = self.network.outputs.iter().enumerate();
        let output = outputs.find(|(_, value)| value.0 == index).map(|(output, _)| output);
        let once = outputs.all(|(_, value)| value.0 != index);
        output.filter(|_| large && once && weights.is_f32())
    }

    /// The step that does `action` for node `index`; `between` is the module's output where it is
    /// a map of its own.
    pub(super) fn step(
        &self,
        index: usize,
        action: Action,
        between: Option<(Place, Shape)>,
    ) -> Step {
        let op = &self.network.nodes[index].op;
        let at = |value: &Value| self.places[value];
        let of = |value: &Value| self.shapes[value.0];
        let operand = op.operands().next().unwrap_or(Value(0));
        let mut x = (at(&operand), of(&operand));
        let y = match (action, between) {
            (Action::Module(_), Some(between)) => between,
            // The caller's memory is no place of the plan's.
            (Action::Planes(..), _) => (x.0, self.shapes[index]),
            _ => (at(&Value(index)), self.shapes[index]),
        };
        if let (Action::Then(_), Some(between)) = (action, between) {
            x = between;
        }
        let (input, output) = (x.1, y.1);
        let mut step = Step {
            x: x.0,
            y: y.0,
            action,
            input,
            split: Split::new(op, action, input, output, self.threads),
            work: work(op, action, input, output),
            ..Step::export(0, x.0, output, 1)
        };
        if let Action::Then(_) = action {
            return step;
        }
        let lanes = self.network.isa.lanes();
        let panel = gemm::panel_vectors(self.network.isa.registers()) * lanes;
        match op {
            Op::Conv { weights, window, .. } => {
                step.grid = weights.grid(output.size());
                if let Some(grid) = step.grid {
                    let channels = (input.channels, output.channels);
                    step.band_scratch = winograd::scratch_len(grid.tiles, channels, lanes);
                    step.split = Split::tiles(grid.tiles, &weights.points[0], self.threads);
                } else {
                    let side = window.reach().0.max(window.stride);
                    let (width, padding) = (input.width, window.padding.1);
                    let row_len = (width + 2 * padding) * input.channels;
                    step.table = step.source(std::ptr::null()).offsets(
                        window.kernel,
                        input.channels,
                        (width, padding),
                        window.dilation,
                    );
                    step.band_scratch = conv::scratch_len(input.height, row_len, side);
                }
            }
            Op::Ghost(ghost) => {
                let reach = ghost.window.reach().0;
                let columns = ghost.primary.n.next_multiple_of(lanes);
                let size = input.size();
                step.band_scratch = ghost::scratch_len(size, reach, columns);
                if let (Action::Compute(_), Some((_, window))) = (action, &ghost.then) {
                    let side = window.kernel.0.max(window.stride);
                    let wide = output.channels.next_multiple_of(lanes);
                    step.then_scratch = ghost::then_scratch_len(size, side, window.padding.1, wide);
                }
                if let Some(scale) = &ghost.scale {
                    step.scale = Some(at(scale));
                    let matrix = &ghost.primary;
                    step.panel_scratch = match step.scales_pixels(matrix) {
                        _ if matrix.words.is_some() => 0,
                        true => gemm::scaled_len(matrix.k, input.pixels()),
                        false => gemm::scaled_len(matrix.k, panel),
                    };
                }
                match &ghost.join {
                    Join::None => {}
                    Join::Add(add) => step.join = Some(at(add)),
                    Join::Gate(gate) => {
                        step.join = Some(at(gate));
                        let Shape { channels, height, width } = of(gate);
                        step.table = nearest(width, input.width, channels);
                        step.second_table = nearest(height, input.height, width * channels);
                    }
                }
            }
            Op::Dfc { horizontal, vertical, .. } => {
                let kernel = (vertical.kernel.0, horizontal.kernel.1);
                step.band_scratch = dfc::scratch_len(output.size(), kernel, panel);
            }
            Op::Pointwise { weights, .. } if matches!(action, Action::Planes(..)) => {
                let registers = self.network.isa.registers();
                let above = gemm::above_scratch_len(block_pixels(weights.k), lanes, registers);
                step.band_scratch =
                    gemm::planes_scratch_len(weights.k, lanes, registers).max(above);
                step.split = Split::vectors(output.pixels().div_ceil(lanes), self.threads);
            }
            Op::Pointwise { add, .. } => step.join = add.as_ref().map(at),
            Op::Resize(resize) => {
                step.join = resize.add.as_ref().map(at);
                let Shape { channels, height, width } = input;
                step.table = resize.interpolation.table(width, output.width, channels);
                step.second_table =
                    resize.interpolation.table(height, output.height, width * channels);
            }
            Op::GroupNorm(_) => step.band_scratch = group_norm::scratch_len(input.channels),
            Op::Concat { parts } => {
                step.parts = parts.iter().map(|part| (at(part), of(part).channels)).collect();
            }
            Op::Input
            | Op::Depthwise { .. }
            | Op::AvgPool { .. }
            | Op::GlobalPool { .. }
            | Op::Linear { .. } => {}
        }
        step.plan_words(op);
        step
    }
}
