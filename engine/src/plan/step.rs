//! The steps of a plan: operations with their sizes, and where their operands lie.

use std::collections::HashMap;

use super::graph::{Join, Network, Op, Value};
use super::schedule::Arena;
use super::split::Split;
use super::{PlanError, Shape};
use crate::nhwc::{conv, dfc, gemm, ghost};

/// Where a value lies while a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The caller's picture.
    Input,
    /// In the arena of one picture, from this element.
    Arena(usize),
    /// In the block for vectors of all pictures `[batch, channels]`, from this element.
    Batch(usize),
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Computes this node.
    Compute(usize),
    /// Copies a value to this output of the plan.
    Export(usize),
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) x: Place,
    pub(crate) y: Place,
    /// The map that is added, or the gate.
    pub(crate) join: Option<Place>,
    pub(crate) scale: Option<Place>,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Of a gate.
    pub(crate) join_shape: Option<Shape>,
    pub(crate) split: Split,
    /// Multiply-adds for one picture.
    pub(crate) work: usize,
    /// Elements of scratch for prepared panels and for bands, in this order.
    pub(crate) panel_scratch: usize,
    pub(crate) band_scratch: usize,
    /// Tables of the operation: offsets of a convolution, or nearest rows and columns of a gate.
    pub(crate) table: Vec<u32>,
    pub(crate) second_table: Vec<u32>,
}

/// The steps of one picture, and those on the vectors of the whole batch behind them.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) picture: Vec<Step>,
    pub(crate) batch: Vec<Step>,
    pub(crate) arena_len: usize,
    pub(crate) batch_len: usize,
    pub(crate) scratch_len: usize,
}

/// Shapes of all values for an input of this size.
pub(crate) fn shapes(network: &Network, input: Shape) -> Result<Vec<Shape>, PlanError> {
    let mut shapes: Vec<Shape> = Vec::with_capacity(network.nodes.len());
    for node in &network.nodes {
        let of = |value: Value| shapes[value.0];
        let refuse = |reason: String| PlanError::Operands { operation: node.op.kind(), reason };
        let size = match &node.op {
            Op::Input => input.size(),
            Op::Conv { x, window, .. } | Op::Depthwise { x, window, .. } => {
                let shape = of(*x);
                window.output(shape.size()).ok_or_else(|| {
                    refuse(format!("a map of {shape} is too small for {window:?}"))
                })?
            }
            Op::Pointwise { x, add, .. } => {
                let size = of(*x).size();
                if let Some(add) = add.filter(|add| of(*add).size() != size) {
                    return Err(refuse(format!("{} is added to {}", of(add), of(*x))));
                }
                size
            }
            Op::Ghost(ghost) => {
                let size = of(ghost.x).size();
                match ghost.join {
                    Join::Add(add) if of(add).size() != size => {
                        return Err(refuse(format!("{} is added to {}", of(add), of(ghost.x))));
                    }
                    _ => size,
                }
            }
            Op::Dfc { x, .. } => of(*x).size(),
            Op::AvgPool2x2 { x } => (of(*x).height / 2, of(*x).width / 2),
            Op::GlobalPool { .. } | Op::Linear { .. } => (1, 1),
        };
        let shape = Shape { channels: node.channels, height: size.0, width: size.1 };
        if shape.is_empty() {
            return Err(refuse(format!("the result would be empty ({shape})")));
        }
        if shape.len() > i32::MAX as usize {
            return Err(refuse(format!("a map of {shape} is too large")));
        }
        shapes.push(shape);
    }
    Ok(shapes)
}

/// Which values are vectors that only fully connected layers read: those of all pictures are
/// multiplied together, so that their weights are read once for a batch.
fn batched(network: &Network) -> Vec<bool> {
    let mut batched: Vec<bool> = network.nodes.iter().map(|node| node.vector).collect();
    for (index, node) in network.nodes.iter().enumerate().rev() {
        let linear = matches!(node.op, Op::Linear { .. }) && batched[index];
        for value in node.op.operands().filter(|_| !linear) {
            batched[value.0] = false;
        }
    }
    for (index, node) in network.nodes.iter().enumerate() {
        if let Op::Linear { x, .. } = node.op {
            batched[index] &= batched[x.0];
        }
    }
    batched
}

impl Steps {
    /// Lays out `network` for pictures of this shape.
    pub(crate) fn new(
        network: &Network,
        batch: usize,
        input: Shape,
        threads: usize,
    ) -> Result<Self, PlanError> {
        let shapes = shapes(network, input)?;
        let batched = batched(network);
        let mut steps = Self::default();
        let mut places: HashMap<Value, Place> = HashMap::from([(Value(0), Place::Input)]);
        let mut arena = Arena::new(network, &batched);
        for (index, node) in network.nodes.iter().enumerate().skip(1) {
            let value = Value(index);
            let shape = shapes[index];
            let place = if batched[index] {
                let start = steps.batch_len;
                steps.batch_len += (shape.len() * batch).next_multiple_of(16);
                Place::Batch(start)
            } else {
                Place::Arena(arena.allocate(index, shape.len()))
            };
            places.insert(value, place);
            let late = batched[index] && matches!(node.op, Op::Linear { .. });
            let list = if late { &mut steps.batch } else { &mut steps.picture };
            list.push(Step::compute(network, index, &places, &shapes, threads));
            for (output, _) in network.outputs.iter().enumerate().filter(|(_, v)| **v == value) {
                let list = if batched[index] { &mut steps.batch } else { &mut steps.picture };
                list.push(Step::export(output, place, shape, threads));
            }
            arena.release_after(index);
        }
        steps.arena_len = arena.len();
        steps.scratch_len = steps
            .picture
            .iter()
            .chain(&steps.batch)
            .map(|step| step.panel_scratch + step.band_scratch)
            .max()
            .unwrap_or(0);
        Ok(steps)
    }
}

impl Step {
    fn export(output: usize, place: Place, shape: Shape, threads: usize) -> Self {
        Self {
            action: Action::Export(output),
            x: place,
            y: place,
            join: None,
            scale: None,
            input: shape,
            output: shape,
            join_shape: None,
            split: Split::channels(shape.channels, threads),
            work: 0,
            panel_scratch: 0,
            band_scratch: 0,
            table: Vec::new(),
            second_table: Vec::new(),
        }
    }

    fn compute(
        network: &Network,
        index: usize,
        places: &HashMap<Value, Place>,
        shapes: &[Shape],
        threads: usize,
    ) -> Self {
        let op = &network.nodes[index].op;
        let lanes = network.isa.lanes();
        let panel = gemm::panel_vectors(network.isa.registers()) * lanes;
        let at = |value: &Value| places[value];
        let of = |value: &Value| shapes[value.0];
        let output = shapes[index];
        let x = op.operands().next().unwrap_or(Value(0));
        let input = of(&x);
        let mut step = Self {
            x: at(&x),
            y: at(&Value(index)),
            action: Action::Compute(index),
            input,
            split: Split::new(op, input, output, threads),
            work: work(op, input, output),
            ..Self::export(0, at(&x), output, 1)
        };
        match op {
            Op::Conv { window, .. } => {
                let side = window.kernel.0.max(window.stride);
                let (width, padding) = (input.width, window.padding.1);
                let row_len = (width + 2 * padding) * input.channels;
                step.table = conv::offsets(window.kernel, input.channels, (width, padding));
                step.band_scratch = conv::scratch_len(input.height, row_len, side);
            }
            Op::Ghost(ghost) => {
                let kernel = ghost.cheap.kernel.0;
                let columns = ghost.primary.n.next_multiple_of(lanes);
                let size = output.size();
                // The widest band is not the largest: it has fewer rows.
                step.band_scratch = ghost::scratch_len(size, kernel, columns)
                    .max(ghost::scratch_len(size, kernel, panel.min(columns)));
                if let Some(scale) = &ghost.scale {
                    step.scale = Some(at(scale));
                    step.panel_scratch = gemm::prepared_len(ghost.primary.k, panel);
                }
                match &ghost.join {
                    Join::None => {}
                    Join::Add(add) => step.join = Some(at(add)),
                    Join::Gate(gate) => {
                        step.join = Some(at(gate));
                        step.join_shape = Some(of(gate));
                        step.table = nearest(of(gate).width, output.width);
                        step.second_table = nearest(of(gate).height, output.height);
                    }
                }
            }
            Op::Dfc { horizontal, vertical, .. } => {
                let kernel = (vertical.kernel.0, horizontal.kernel.1);
                step.band_scratch = dfc::scratch_len(output.size(), kernel, panel);
            }
            Op::Pointwise { add, .. } => step.join = add.as_ref().map(at),
            Op::Input
            | Op::Depthwise { .. }
            | Op::AvgPool2x2 { .. }
            | Op::GlobalPool { .. }
            | Op::Linear { .. } => {}
        }
        step
    }
}

/// The nearest of `from` positions for each of `to`, as PyTorch's `interpolate` with `size`.
fn nearest(from: usize, to: usize) -> Vec<u32> {
    let scale = from as f32 / to as f32;
    (0..to).map(|i| ((i as f32 * scale) as usize).min(from - 1) as u32).collect()
}

/// Multiply-adds for one picture.
pub(crate) fn work(op: &Op, input: Shape, output: Shape) -> usize {
    match op {
        Op::Conv { weights, .. } | Op::Pointwise { weights, .. } | Op::Linear { weights, .. } => {
            output.pixels() * weights.n * weights.k
        }
        Op::Depthwise { filters, .. } => output.len() * filters.kernel.0 * filters.kernel.1,
        Op::Ghost(ghost) => {
            let cheap = ghost.cheap.kernel.0 * ghost.cheap.kernel.1;
            output.pixels()
                * (ghost.primary.n * ghost.primary.k + (output.channels - ghost.primary.n) * cheap)
        }
        Op::Dfc { weights, horizontal, vertical, .. } => {
            output.len() * (weights.k + horizontal.kernel.1 + vertical.kernel.0)
        }
        Op::Input | Op::AvgPool2x2 { .. } | Op::GlobalPool { .. } => input.len() / 4,
    }
}
