//! The operations of a network in training, without sizes and without weights.

use super::map::MapShape;
use super::ranks::Ranks;
use crate::isa::AnyIsa;
use crate::plan::{Activation, Interpolation, PlanError, Window};
use std::sync::Arc;

/// A batch of maps or vectors inside a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(super) usize);

/// A tensor that is given to each pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parameter(pub(super) usize);

impl Parameter {
    /// Its place among a pass's parameters.
    pub fn index(self) -> usize {
        self.0
    }
}

/// A batch normalisation's parameters, one value for each channel.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// What normalised values are multiplied with.
    pub scale: Parameter,
    /// What is added then.
    pub shift: Parameter,
    /// Running mean: read where `frozen`.
    pub mean: Parameter,
    /// Running variance, likewise.
    pub variance: Parameter,
    /// Added to the variance.
    pub epsilon: f32,
    /// Whether the running statistics normalise, as in evaluation, instead of the batch's.
    pub frozen: bool,
}

/// What a node computes.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Input,
    Conv { x: Value, window: Window, weight: Parameter, bias: Option<Parameter> },
    Depthwise { x: Value, window: Window, weight: Parameter, bias: Option<Parameter> },
    BatchNorm { x: Value, norm: BatchNorm, relu: bool },
    GroupNorm { x: Value, groups: usize, scale: Parameter, shift: Parameter, epsilon: f32 },
    Activation { x: Value, activation: Activation },
    AvgPool { x: Value, window: Window, count_padding: bool },
    GlobalPool { x: Value },
    Gate { x: Value, gate: Value },
    Add { a: Value, b: Value },
    Concat { parts: Vec<Value> },
    Resize { x: Value, extent: Extent, interpolation: Interpolation },
    Dropout { x: Value, probability: f32, whole_channels: bool },
}

/// The size of a resized map.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    Like(Value),
    Times(usize),
}

impl Op {
    /// The values that are read.
    pub(super) fn operands(&self) -> Vec<Value> {
        match self {
            Self::Input => Vec::new(),
            Self::Conv { x, .. }
            | Self::Depthwise { x, .. }
            | Self::BatchNorm { x, .. }
            | Self::GroupNorm { x, .. }
            | Self::Activation { x, .. }
            | Self::AvgPool { x, .. }
            | Self::GlobalPool { x }
            | Self::Resize { x, .. }
            | Self::Dropout { x, .. } => vec![*x],
            Self::Gate { x, gate } => vec![*x, *gate],
            Self::Add { a, b } => vec![*a, *b],
            Self::Concat { parts } => parts.clone(),
        }
    }

    /// The parameters that may have gradients.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        match *self {
            Self::Conv { weight, bias, .. } | Self::Depthwise { weight, bias, .. } => {
                [Some(weight), bias].into_iter().flatten().collect()
            }
            Self::BatchNorm { norm: BatchNorm { scale, shift, .. }, .. }
            | Self::GroupNorm { scale, shift, .. } => vec![scale, shift],
            _ => Vec::new(),
        }
    }

    /// What its gradients are computed from, besides those of its result: operands, and whether the
    /// result itself.
    pub(super) fn keeps(&self) -> (Vec<Value>, bool) {
        match *self {
            Self::Conv { x, .. } | Self::Depthwise { x, .. } | Self::GroupNorm { x, .. } => {
                (vec![x], false)
            }
            Self::BatchNorm { x, relu, .. } => (vec![x], relu),
            Self::Activation { x, activation: Activation::HardSigmoid } => (vec![x], false),
            Self::Activation { .. } => (Vec::new(), true),
            Self::Gate { x, gate } => (vec![x, gate], false),
            _ => (Vec::new(), false),
        }
    }
}

/// An operation and what is known of its result without sizes.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) op: Op,
    pub(super) channels: usize,
    /// Whether a gradient of its result leads to a parameter that learns.
    pub(super) learns: bool,
    /// Whether gradients are computed from its result.
    pub(super) kept: bool,
    /// The last node that reads it, itself if none does.
    pub(super) last_use: usize,
}

/// A network in training, for batches of any size. Immutable, shared by threads.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(super) isa: AnyIsa,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<Value>,
    /// Elements of each parameter, and whether it learns.
    pub(super) parameters: Vec<(usize, bool)>,
    /// Who else runs parts of the same batches.
    pub(super) ranks: Option<Arc<dyn Ranks>>,
}

impl Graph {
    /// The same on an instruction set of the caller's choice.
    pub fn on(self, isa: AnyIsa) -> Self {
        Self { isa, ..self }
    }

    /// Does work on a thread of the pool. A thread outside of it would be put to sleep and woken for
    /// each operation. Ranks wait for each other: they must not hold threads that others need.
    pub(super) fn on_pool<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.ranks {
            Some(_) => work(),
            None => rayon::scope(|_| work()),
        }
    }

    /// From now on, batches are parts of larger ones, of which other ranks have the rest.
    pub fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) {
        self.ranks = Some(ranks);
    }

    /// Elements of each parameter.
    pub fn parameter_lens(&self) -> impl ExactSizeIterator<Item = usize> {
        self.parameters.iter().map(|(len, _)| *len)
    }

    /// How many outputs a pass gives.
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The shape of a node's result, from those of the nodes before.
    pub(super) fn shape(&self, node: &Node, shapes: &[MapShape]) -> Result<MapShape, PlanError> {
        let of = |value: &Value| shapes[value.0];
        let fail = |operation, reason: String| Err(PlanError::Operands { operation, reason });
        let windowed = |operation, x: &Value, window: &Window| {
            let x = of(x);
            match window.output(x.size()) {
                Some(size) => Ok(x.with_size(size).with_channels(node.channels)),
                None => fail(operation, format!("a map of {x} is smaller than {window:?}")),
            }
        };
        match &node.op {
            Op::Input => fail("input", "expected one input".into()),
            Op::Conv { x, window, .. } => windowed("conv", x, window),
            Op::Depthwise { x, window, .. } => windowed("depthwise", x, window),
            Op::AvgPool { x, window, .. } => match windowed("avg-pool", x, window) {
                Ok(shape) if shape.is_empty() => fail("avg-pool", "nothing is left".into()),
                shape => shape,
            },
            Op::BatchNorm { x, norm, .. } if !norm.frozen && of(x).pixels() < 2 => fail(
                "batch-norm",
                "one value for each channel has no variance: expected a larger batch or picture, \
                 or a frozen batch-norm"
                    .into(),
            ),
            Op::BatchNorm { x, .. }
            | Op::GroupNorm { x, .. }
            | Op::Activation { x, .. }
            | Op::Dropout { x, .. } => Ok(of(x)),
            Op::GlobalPool { x } => Ok(of(x).with_size((1, 1))),
            Op::Gate { x, .. } => Ok(of(x)),
            Op::Add { a, b } if of(a) != of(b) => {
                fail("add", format!("maps of {} and {}: expected equal ones", of(a), of(b)))
            }
            Op::Add { a, .. } => Ok(of(a)),
            Op::Concat { parts } => {
                let first = of(&parts[0]);
                match parts.iter().find(|part| of(part).size() != first.size()) {
                    Some(other) => fail("concat", format!("maps of {first} and {}", of(other))),
                    None => Ok(first.with_channels(node.channels)),
                }
            }
            Op::Resize { x, extent, .. } => {
                let x = of(x);
                let size = match extent {
                    Extent::Like(value) => of(value).size(),
                    Extent::Times(n) => (x.height * n, x.width * n),
                };
                Ok(x.with_size(size))
            }
        }
    }
}
