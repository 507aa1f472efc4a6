//! Gradients of a pass, from the last operation to the first.

use super::batch_norm::Backward;
use super::concat;
use super::conv::Dense;
use super::depthwise::Depthwise;
use super::elementwise;
use super::graph::{BatchNorm, Op, Parameter, Value};
use super::group_norm::GroupNorm;
use super::memory::Block;
use super::pass::{Pass, to_channels_last};
use super::pool::{AvgPool, global_mean_backward};
use super::resize::{Gate, Resize};
use crate::plan::{Activation, PlanError};

/// Gradients that are known so far.
struct Gradients {
    maps: Vec<Option<Block>>,
    /// None of parameters that do not learn.
    parameters: Vec<Option<Vec<f32>>>,
}

impl Pass<'_> {
    /// The gradients of the parameters that learn, from those of the outputs, `[B, C, H, W]` each,
    /// empty for an output that the loss does not depend on.
    ///
    /// # Errors
    /// Slices that do not fit.
    pub fn backward(mut self, outputs: &[&[f32]]) -> Result<Vec<Option<Vec<f32>>>, PlanError> {
        let graph = self.graph;
        PlanError::expect_len("gradients of outputs", graph.outputs.len(), outputs.len())?;
        let mut gradients = Gradients {
            maps: graph.nodes.iter().map(|_| None).collect(),
            parameters: (graph.parameters.iter())
                .map(|(len, learns)| learns.then(|| vec![0.0; *len]))
                .collect(),
        };
        for (value, gradient) in graph.outputs.iter().zip(outputs) {
            if gradient.is_empty() {
                continue;
            }
            let shape = self.shapes[value.0];
            PlanError::expect_len("gradient of an output", shape.len(), gradient.len())?;
            let mut block = self.memory.take(shape.len());
            to_channels_last(gradient, shape, &mut block);
            self.pass_on(&mut gradients, *value, block);
        }
        graph.on_pool(|| {
            for number in (1..graph.nodes.len()).rev() {
                if let Some(gradient) = gradients.maps[number].take() {
                    self.differentiate(number, gradient, &mut gradients);
                }
                // Nothing before this node reads its result.
                self.maps[number] = None;
            }
        });
        Ok(gradients.parameters)
    }

    /// Adds to the gradient of a value, if it leads to something that learns.
    fn pass_on(&self, gradients: &mut Gradients, value: Value, gradient: Block) {
        if !self.graph.nodes[value.0].learns {
            return;
        }
        match &mut gradients.maps[value.0] {
            Some(sum) => elementwise::accumulate(&gradient, sum),
            empty => *empty = Some(gradient),
        }
    }

    /// Passes the gradient of node `number` on to its operands and parameters.
    fn differentiate(&self, number: usize, mut dy: Block, to: &mut Gradients) {
        let graph = self.graph;
        let (isa, op) = (graph.isa, &graph.nodes[number].op);
        let output = self.shapes[number];
        let learns = |value: &Value| graph.nodes[value.0].learns;
        match op {
            Op::Input => {}
            Op::Conv { x, window, weight, bias } => {
                let conv = Dense { input: self.shapes[x.0], output, window: *window };
                if let Some(dw) = &mut to.parameters[weight.0] {
                    conv.grad_weights(isa, self.map(x.0), &dy, dw);
                }
                grad_bias(*bias, &dy, to);
                if learns(x) {
                    let mut dx = self.memory.take(self.shapes[x.0].len());
                    conv.grad_input(isa, &dy, self.parameter(*weight), &mut dx);
                    self.pass_on(to, *x, dx);
                }
            }
            Op::Depthwise { x, window, weight, bias } => {
                let conv = Depthwise { input: self.shapes[x.0], output, window: *window };
                if let Some(dw) = &mut to.parameters[weight.0] {
                    conv.grad_weights(isa, self.map(x.0), &dy, dw);
                }
                grad_bias(*bias, &dy, to);
                if learns(x) {
                    let mut dx = self.memory.take(self.shapes[x.0].len());
                    conv.grad_input(isa, &dy, self.parameter(*weight), &mut dx);
                    self.pass_on(to, *x, dx);
                }
            }
            Op::BatchNorm { x, norm, relu } => {
                self.batch_norm_backward((number, x.0), *norm, *relu, &mut dy, to);
                self.pass_on(to, *x, dy);
            }
            Op::GroupNorm { x, groups, scale, shift, epsilon } => {
                let norm = GroupNorm { shape: output, groups: *groups, epsilon: *epsilon };
                if let Some(kept) = &self.normalized[number] {
                    let by = self.parameter(*scale);
                    let (ds, db) = norm.backward(self.map(x.0), kept, by, &mut dy);
                    add_to(*scale, &ds, to);
                    add_to(*shift, &db, to);
                }
                self.pass_on(to, *x, dy);
            }
            Op::Activation { x, activation } => {
                let kept = match activation {
                    Activation::HardSigmoid => self.map(x.0),
                    _ => self.map(number),
                };
                elementwise::activate_backward(*activation, kept, &mut dy);
                self.pass_on(to, *x, dy);
            }
            Op::AvgPool { x, window, count_padding } => {
                let (window, count_padding) = (*window, *count_padding);
                let mut dx = self.memory.take(self.shapes[x.0].len());
                AvgPool { input: self.shapes[x.0], output, window, count_padding }
                    .backward(&dy, &mut dx);
                self.pass_on(to, *x, dx);
            }
            Op::GlobalPool { x } => {
                let mut dx = self.memory.take(self.shapes[x.0].len());
                global_mean_backward(self.shapes[x.0], &dy, &mut dx);
                self.pass_on(to, *x, dx);
            }
            Op::Gate { x, gate } => {
                let mut dg = self.memory.take(self.shapes[gate.0].len());
                Gate::new(output, self.shapes[gate.0]).backward(
                    self.map(x.0),
                    self.map(gate.0),
                    &mut dy,
                    &mut dg,
                );
                self.pass_on(to, *x, dy);
                self.pass_on(to, *gate, dg);
            }
            Op::Add { a, b } => {
                let mut copy = self.memory.take(dy.len());
                copy.copy_from_slice(&dy);
                self.pass_on(to, *a, copy);
                self.pass_on(to, *b, dy);
            }
            Op::Concat { parts } => {
                let shapes = parts.iter().map(|part| self.shapes[part.0]);
                let mut blocks: Vec<_> =
                    shapes.map(|s| (self.memory.take(s.len()), s.channels)).collect();
                let mut slices: Vec<_> = blocks.iter_mut().map(|(b, c)| (&mut **b, *c)).collect();
                concat::split(isa, &dy, output.channels, &mut slices);
                for (part, (dx, _)) in parts.iter().zip(blocks) {
                    self.pass_on(to, *part, dx);
                }
            }
            Op::Resize { x, interpolation, .. } => {
                let mut dx = self.memory.take(self.shapes[x.0].len());
                Resize::new(*interpolation, self.shapes[x.0], output).backward(&dy, &mut dx);
                self.pass_on(to, *x, dx);
            }
            Op::Dropout { x, probability, whole_channels } => {
                let factors = self.dropout(number, *probability, *whole_channels);
                let mut dx = self.memory.take(dy.len());
                elementwise::scale(&dy, &factors, output.picture_len(), &mut dx);
                self.pass_on(to, *x, dx);
            }
        }
    }

    fn batch_norm_backward(
        &self,
        (number, x): (usize, usize),
        norm: BatchNorm,
        relu: bool,
        dy: &mut [f32],
        to: &mut Gradients,
    ) {
        let Some(kept) = &self.normalized[number] else { return };
        let backward = Backward {
            x: self.map(x),
            y: relu.then(|| self.map(number)),
            mean: &kept.mean,
            inv_std: &kept.inv_std,
            scale: self.parameter(norm.scale),
            of_batch: !norm.frozen,
            ranks: self.graph.ranks.as_deref(),
        };
        let (scale, shift) = backward.run(self.graph.isa, dy);
        add_to(norm.scale, &scale, to);
        add_to(norm.shift, &shift, to);
    }
}

fn add_to(parameter: Parameter, gradient: &[f32], to: &mut Gradients) {
    if let Some(sum) = &mut to.parameters[parameter.0] {
        for (sum, gradient) in sum.iter_mut().zip(gradient) {
            *sum += gradient;
        }
    }
}

fn grad_bias(bias: Option<Parameter>, dy: &[f32], to: &mut Gradients) {
    let Some(bias) = bias else { return };
    if let Some(sum) = &mut to.parameters[bias.0] {
        elementwise::sum_of_pixels(dy, sum);
    }
}
