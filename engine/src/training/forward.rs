//! What each operation makes of its operands.

use super::batch_norm::{Moments, moments, normalize};
use super::concat::concat;
use super::conv::Dense;
use super::depthwise::Depthwise;
use super::elementwise;
use super::graph::{BatchNorm, Op};
use super::group_norm::GroupNorm;
use super::memory::Block;
use super::pass::{BatchStatistics, Normalized, Pass};
use super::pool::{AvgPool, global_mean};
use super::resize::{Gate, Resize};

impl Pass<'_> {
    /// The result of node `number`.
    pub(super) fn compute(&mut self, number: usize) -> Block {
        let graph = self.graph;
        let (isa, op) = (graph.isa, &graph.nodes[number].op);
        let output = self.shapes[number];
        let mut y = self.memory.take(output.len());
        match op {
            Op::Input => {}
            Op::Conv { x, window, weight, bias } => {
                let conv = Dense { input: self.shapes[x.0], output, window: *window };
                let bias = bias.map(|bias| self.parameter(bias));
                conv.forward(isa, self.map(x.0), self.parameter(*weight), bias, &mut y);
            }
            Op::Depthwise { x, window, weight, bias } => {
                let conv = Depthwise { input: self.shapes[x.0], output, window: *window };
                let bias = bias.map(|bias| self.parameter(bias));
                conv.forward(isa, self.map(x.0), self.parameter(*weight), bias, &mut y);
            }
            Op::BatchNorm { x, norm, relu } => {
                let kept = self.batch_norm(x.0, *norm, *relu, &mut y);
                self.normalized[number] = Some(kept);
            }
            Op::GroupNorm { x, groups, scale, shift, epsilon } => {
                let norm = GroupNorm { shape: output, groups: *groups, epsilon: *epsilon };
                let affine = (self.parameter(*scale), self.parameter(*shift));
                let kept = norm.forward(self.map(x.0), affine, &mut y);
                self.normalized[number] = Some(kept);
            }
            Op::Activation { x, activation } => {
                elementwise::activate(isa, *activation, self.map(x.0), &mut y);
            }
            Op::AvgPool { x, window, count_padding } => {
                let (window, count_padding) = (*window, *count_padding);
                AvgPool { input: self.shapes[x.0], output, window, count_padding }
                    .forward(self.map(x.0), &mut y);
            }
            Op::GlobalPool { x } => global_mean(self.shapes[x.0], self.map(x.0), &mut y),
            Op::Gate { x, gate } => {
                Gate::new(output, self.shapes[gate.0]).forward(
                    self.map(x.0),
                    self.map(gate.0),
                    &mut y,
                );
            }
            Op::Add { a, b } => elementwise::add(self.map(a.0), self.map(b.0), &mut y),
            Op::Concat { parts } => {
                let parts: Vec<_> =
                    parts.iter().map(|p| (self.map(p.0), self.shapes[p.0].channels)).collect();
                concat(isa, &parts, output.channels, &mut y);
            }
            Op::Resize { x, interpolation, .. } => {
                Resize::new(*interpolation, self.shapes[x.0], output)
                    .forward(self.map(x.0), &mut y);
            }
            Op::Dropout { x, probability, whole_channels } => {
                let factors = self.dropout(number, *probability, *whole_channels);
                elementwise::scale(self.map(x.0), &factors, output.picture_len(), &mut y);
            }
        }
        y
    }

    fn batch_norm(&mut self, x: usize, norm: BatchNorm, relu: bool, y: &mut [f32]) -> Normalized {
        let shape = self.shapes[x];
        let isa = self.graph.isa;
        let moments = match norm.frozen {
            true => Moments {
                mean: self.parameter(norm.mean).to_vec(),
                variance: self.parameter(norm.variance).to_vec(),
                pixels: shape.pixels() as f64,
            },
            false => moments(isa, self.map(x), shape.channels, self.graph.ranks.as_deref()),
        };
        let Moments { mean, variance, pixels } = moments;
        let inv_std: Vec<f32> =
            variance.iter().map(|variance| (variance + norm.epsilon).sqrt().recip()).collect();
        let scales = self.parameter(norm.scale).iter().zip(&inv_std);
        let scale: Vec<f32> = scales.map(|(scale, inv_std)| scale * inv_std).collect();
        let shifts = self.parameter(norm.shift).iter().zip(&mean).zip(&scale);
        let shift: Vec<f32> = shifts.map(|((shift, mean), scale)| shift - mean * scale).collect();
        normalize(isa, self.map(x), (&scale, &shift), relu, y);
        if !norm.frozen {
            let n = pixels as f32;
            let unbiased = variance.iter().map(|variance| variance * (n / (n - 1.0))).collect();
            let parameters = (norm.mean, norm.variance);
            let statistics = BatchStatistics { parameters, mean: mean.clone(), variance: unbiased };
            self.statistics.push(statistics);
        }
        Normalized { mean, inv_std }
    }

    /// What multiplies the elements or channels of a dropout's operand.
    pub(super) fn dropout(
        &self,
        number: usize,
        probability: f32,
        whole_channels: bool,
    ) -> Vec<f32> {
        let shape = self.shapes[number];
        let picture = if whole_channels { shape.channels } else { shape.picture_len() };
        let numbers = self.first_picture * picture..(self.first_picture + shape.batch) * picture;
        // Each dropout of a network has numbers of its own.
        let seed = self.seed.rotate_left(32) ^ (number as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        elementwise::dropout_factors(seed, probability, numbers)
    }
}
