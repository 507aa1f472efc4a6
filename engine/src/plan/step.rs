//! The steps of a plan: operations with their sizes, and where their operands lie.

use std::collections::HashMap;

use super::Shape;
use super::graph::{Network, Op, Value};
use super::infer::batched;
use super::layout::Layout;
use super::schedule::{ALIGNMENT, Arena};
use super::split::Split;
use crate::nhwc::winograd::Grid;

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
