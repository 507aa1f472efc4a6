//! A pass of a batch through a graph.

use rayon::prelude::*;

use super::graph::{Graph, Parameter};
use super::map::MapShape;
use super::memory::{Block, Memory};
use super::ranks::pictures_before;
use crate::plan::PlanError;

/// What a batch-norm saw of a batch, for its running statistics.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// Which mean and which variance.
    pub parameters: (Parameter, Parameter),
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, divided by one less than the number of values.
    pub variance: Vec<f32>,
}

/// What a normalisation keeps for its gradients.
#[derive(Debug)]
pub(super) struct Normalized {
    pub(super) mean: Vec<f32>,
    pub(super) inv_std: Vec<f32>,
}

/// A batch that has passed through a graph.
#[derive(Debug)]
pub struct Pass<'a> {
    pub(super) graph: &'a Graph,
    pub(super) memory: &'a Memory,
    pub(super) parameters: &'a [&'a [f32]],
    pub(super) seed: u64,
    /// How many pictures of the batch other ranks have before these.
    pub(super) first_picture: usize,
    pub(super) shapes: Vec<MapShape>,
    /// Of each node, as long as it is needed.
    pub(super) maps: Vec<Option<Block>>,
    pub(super) normalized: Vec<Option<Normalized>>,
    pub(super) statistics: Vec<BatchStatistics>,
}

impl Graph {
    /// Runs a batch `[B, C, H, W]`. `parameters` are in the order in which they were declared;
    /// what dropout drops is a function of `seed`.
    ///
    /// # Errors
    /// Slices that do not fit, a shape that the network can't take.
    pub fn forward<'a>(
        &'a self,
        memory: &'a Memory,
        shape: [usize; 4],
        images: &[f32],
        parameters: &'a [&'a [f32]],
        seed: u64,
    ) -> Result<Pass<'a>, PlanError> {
        PlanError::expect_len("parameters", self.parameters.len(), parameters.len())?;
        for ((len, _), parameter) in self.parameters.iter().zip(parameters) {
            PlanError::expect_len("parameter", *len, parameter.len())?;
        }
        let [batch, channels, height, width] = shape;
        let fail = |reason: &str| PlanError::Input { shape, reason: reason.into() };
        let len = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
        let len = len.ok_or_else(|| fail("expected a batch that fits into memory"))?;
        PlanError::expect_len("images", len, images.len())?;
        let expected = self.nodes.first().map_or(0, |node| node.channels);
        if channels != expected || len == 0 {
            return Err(fail(&format!("expected [B, {expected}, H, W] of at least one pixel")));
        }
        let input = MapShape { batch, height, width, channels };
        let mut shapes = vec![input];
        for node in &self.nodes[1..] {
            let shape = self.shape(node, &shapes)?;
            shapes.push(shape);
        }
        let mut maps = Vec::with_capacity(self.nodes.len());
        let mut first = memory.take(input.len());
        to_channels_last(images, input, &mut first);
        maps.push(Some(first));
        let normalized = self.nodes.iter().map(|_| None).collect();
        let mut pass = Pass {
            graph: self,
            memory,
            parameters,
            seed,
            first_picture: self.ranks.as_deref().map_or(0, |ranks| pictures_before(ranks, batch)),
            shapes,
            maps,
            normalized,
            statistics: Vec::new(),
        };
        self.on_pool(|| {
            for number in 1..self.nodes.len() {
                let y = pass.compute(number);
                pass.maps.push(Some(y));
                pass.release(number);
            }
        });
        Ok(pass)
    }
}

impl Pass<'_> {
    /// Shape of an output.
    pub fn output_shape(&self, output: usize) -> MapShape {
        self.shapes[self.graph.outputs[output].0]
    }

    /// An output as `[B, C, H, W]`.
    pub fn output(&self, output: usize) -> Vec<f32> {
        let value = self.graph.outputs[output].0;
        let mut planes = vec![0.0; self.shapes[value].len()];
        to_planes(self.map(value), self.shapes[value], &mut planes);
        planes
    }

    /// What the batch-norms saw, in the order in which they ran; frozen ones saw nothing.
    pub fn statistics(&self) -> &[BatchStatistics] {
        &self.statistics
    }

    /// A map that is still there.
    pub(super) fn map(&self, number: usize) -> &[f32] {
        self.maps[number].as_deref().unwrap_or_default()
    }

    pub(super) fn parameter(&self, parameter: Parameter) -> &[f32] {
        self.parameters[parameter.0]
    }

    /// Drops what nobody reads after node `number`, forward or backward.
    fn release(&mut self, number: usize) {
        let mut done = self.graph.nodes[number].op.operands();
        done.push(super::Value(number));
        for value in done {
            let node = &self.graph.nodes[value.0];
            if node.last_use <= number && !node.kept {
                self.maps[value.0] = None;
            }
        }
    }
}

/// `[B, C, H, W]` to channels innermost.
pub(super) fn to_channels_last(from: &[f32], shape: MapShape, to: &mut [f32]) {
    let len = shape.picture_len().max(1);
    to.par_chunks_mut(len).zip(from.par_chunks(len)).for_each(|(to, from)| {
        transpose(from, to, shape.channels, shape.height * shape.width);
    });
}

/// Channels innermost to `[B, C, H, W]`.
fn to_planes(from: &[f32], shape: MapShape, to: &mut [f32]) {
    let len = shape.picture_len().max(1);
    to.par_chunks_mut(len).zip(from.par_chunks(len)).for_each(|(to, from)| {
        transpose(from, to, shape.height * shape.width, shape.channels);
    });
}

/// `[rows, columns]` to `[columns, rows]`, in blocks of whole cache lines.
fn transpose(from: &[f32], to: &mut [f32], rows: usize, columns: usize) {
    const BLOCK: usize = 16;
    for first in (0..columns).step_by(BLOCK) {
        for row in 0..rows {
            let last = columns.min(first + BLOCK);
            for column in first..last {
                to[column * rows + row] = from[row * columns + column];
            }
        }
    }
}
