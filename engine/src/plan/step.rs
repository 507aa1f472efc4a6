//! The steps of a plan: operations with their sizes, and where their operands lie.

use std::collections::HashMap;

use super::Shape;
use super::graph::{Join, Network, Op, Value};
use super::infer::batched;
use super::product::block_pixels;
use super::resize::nearest;
use super::schedule::{ALIGNMENT, Arena};
use super::split::{Split, work};
use crate::nhwc::winograd::{self, Grid};
use crate::nhwc::{conv, dfc, gemm, ghost, group_norm};

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
    /// Computes this ghost module without the depthwise convolution that follows.
    Module(usize),
    /// Computes that convolution.
    Then(usize),
    /// Computes the primary features of this ghost module, to a band as high as the map.
    Primary(usize),
    /// Copies a value to this output of the plan.
    Export(usize),
    /// Computes this node, a pointwise convolution, straight to that output of the plan.
    Planes(usize, usize),
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
    /// The band with a ghost module's primary features, where a step of their own computes them.
    pub(crate) primary: Option<Place>,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) split: Split,
    /// Multiply-adds for one picture.
    pub(crate) work: usize,
    /// Elements of scratch for a scaled panel or scaled pixels, for bands, and for the band behind a
    /// ghost module, in this order.
    pub(crate) panel_scratch: usize,
    pub(crate) band_scratch: usize,
    pub(crate) then_scratch: usize,
    /// Elements of scratch behind those, for input in words.
    pub(crate) words_scratch: usize,
    /// Whether the kernels need tile registers.
    pub(crate) tiles: bool,
    /// Runs of rows in which a part goes through, one behind the other.
    pub(crate) runs: usize,
    /// What is concatenated: each map and its channels.
    pub(crate) parts: Vec<(Place, usize)>,
    /// How the map is cut where the convolution is Winograd's.
    pub(crate) grid: Option<Grid>,
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

impl Steps {
    /// Lays out `network` for pictures whose values have these shapes.
    pub(crate) fn new(network: &Network, shapes: &[Shape], batch: usize, threads: usize) -> Self {
        let batched = batched(network);
        let mut steps = Self::default();
        let mut places: HashMap<Value, Place> = HashMap::from([(Value(0), Place::Input)]);
        let mut arena = Arena::new(network, &batched);
        for (index, node) in network.nodes.iter().enumerate().skip(1) {
            let value = Value(index);
            let shape = shapes[index];
            let layout = Layout { network, places: &places, shapes, threads };
            if let Some(output) = layout.planes(index).filter(|_| arena.is_unread(index)) {
                steps.picture.push(layout.step(index, Action::Planes(index, output), None));
                arena.release_after(index);
                continue;
            }
            let place = if batched[index] {
                let start = steps.batch_len;
                steps.batch_len += (shape.len() * batch).next_multiple_of(ALIGNMENT);
                Place::Batch(start)
            } else {
                Place::Arena(arena.allocate(index, shape.len()))
            };
            places.insert(value, place);
            let late = batched[index] && matches!(node.op, Op::Linear { .. });
            let list = if late { &mut steps.batch } else { &mut steps.picture };
            let layout = Layout { network, places: &places, shapes, threads };
            match &node.op {
                Op::Ghost(ghost)
                    if ghost.then.as_ref().is_some_and(|(_, window)| {
                        let apart = ghost.scale.is_some() || window.dilation > 1;
                        apart || !passes_by(shapes[ghost.x.0], shape)
                    }) =>
                {
                    let module = shapes[ghost.x.0].with_channels(shape.channels);
                    let start = arena.allocate(index, module.len());
                    let between = (Place::Arena(start), module);
                    let step = layout.step(index, Action::Module(index), Some(between));
                    layout.push_ghost(list, &mut arena, index, step);
                    list.push(layout.step(index, Action::Then(index), Some(between)));
                    arena.release(start);
                }
                Op::Ghost(_) => {
                    let step = layout.step(index, Action::Compute(index), None);
                    layout.push_ghost(list, &mut arena, index, step);
                }
                _ => list.push(layout.step(index, Action::Compute(index), None)),
            }
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
            .map(|step| {
                step.panel_scratch + step.band_scratch + step.then_scratch + step.words_scratch
            })
            .max()
            .unwrap_or(0);
        steps
    }
}

impl Step {
    pub(super) fn export(output: usize, place: Place, shape: Shape, threads: usize) -> Self {
        Self {
            action: Action::Export(output),
            x: place,
            y: place,
            join: None,
            scale: None,
            primary: None,
            input: shape,
            output: shape,
            split: Split::channels(shape.channels, threads),
            work: 0,
            panel_scratch: 0,
            band_scratch: 0,
            then_scratch: 0,
            words_scratch: 0,
            tiles: false,
            runs: 1,
            parts: Vec::new(),
            grid: None,
            table: Vec::new(),
            second_table: Vec::new(),
        }
    }
}

/// Whether the output of a ghost module without scale, whose panels come together, is too large to
/// be read again from the nearer caches, and has rows enough to be divided while it passes by.
fn passes_by(input: Shape, output: Shape) -> bool {
    input.pixels() * output.channels > 160 << 10 && output.height >= 14
}

/// What is known of all values.
pub(super) struct Layout<'a> {
    pub(super) network: &'a Network,
    places: &'a HashMap<Value, Place>,
    shapes: &'a [Shape],
    pub(super) threads: usize,
}

impl Layout<'_> {
    /// The output that a pointwise convolution can write by itself, if it is one and just one, and
    /// has pixels enough for their vectors to be the columns of a product.
    fn planes(&self, index: usize) -> Option<usize> {
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
    fn step(&self, index: usize, action: Action, between: Option<(Place, Shape)>) -> Step {
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
