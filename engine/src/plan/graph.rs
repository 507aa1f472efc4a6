//! The operations of a network, with packed weights and without sizes.

use std::sync::Arc;

use super::layers::Plain;
use super::resize::Resize;
use super::window::Window;
use super::{Calibration, Precision};
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::pack::{Affine, Filters, Kernels, Matrix};

/// A map or vector inside a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) usize);

/// What a node computes; see the methods of [`NetworkBuilder`](super::NetworkBuilder).
#[derive(Debug)]
pub(crate) enum Op {
    Input,
    Conv { x: Value, weights: Arc<Kernels>, window: Window, activation: Activation },
    Pointwise { x: Value, weights: Arc<Matrix>, activation: Activation, add: Option<Value> },
    Depthwise { x: Value, filters: Arc<Filters>, window: Window, activation: Activation },
    Ghost(Box<Ghost>),
    Dfc { x: Value, weights: Matrix, horizontal: Filters, vertical: Filters },
    AvgPool { x: Value, window: Window, count_padding: bool },
    GlobalPool { x: Value },
    Linear { x: Value, weights: Matrix, activation: Activation },
    Resize(Resize),
    GroupNorm(GroupNorm),
    Concat { parts: Vec<Value> },
}

/// A ghost module.
#[derive(Debug)]
pub(crate) struct Ghost {
    pub(crate) x: Value,
    pub(crate) scale: Option<Value>,
    pub(crate) primary: Matrix,
    pub(crate) cheap: Filters,
    /// That of the cheap features.
    pub(crate) window: Window,
    pub(crate) activation: Activation,
    pub(crate) join: Join,
    /// A depthwise convolution of the module's output, which nothing else reads.
    pub(crate) then: Option<(Filters, Window)>,
}

/// A group normalisation.
#[derive(Debug)]
pub(crate) struct GroupNorm {
    pub(crate) x: Value,
    pub(crate) groups: usize,
    pub(crate) affine: Arc<Affine>,
    pub(crate) epsilon: f32,
    pub(crate) activation: Activation,
}

/// What a ghost module does with its features before they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Nothing.
    None,
    /// Adds a map of the output's shape: the shortcut.
    Add(Value),
    /// Multiplies by a map of the output's channels, taken at the nearest pixel: DFC attention.
    Gate(Value),
}

impl Op {
    /// The values that are read.
    pub(crate) fn operands(&self) -> impl Iterator<Item = Value> + use<> {
        let (x, second, third) = match *self {
            Self::Input => (None, None, None),
            Self::Ghost(ref ghost) => {
                let join = match ghost.join {
                    Join::None => None,
                    Join::Add(value) | Join::Gate(value) => Some(value),
                };
                (Some(ghost.x), ghost.scale, join)
            }
            Self::Pointwise { x, add, .. } | Self::Resize(Resize { x, add, .. }) => {
                (Some(x), add, None)
            }
            Self::Concat { .. } => (None, None, None),
            Self::Conv { x, .. }
            | Self::Depthwise { x, .. }
            | Self::Dfc { x, .. }
            | Self::AvgPool { x, .. }
            | Self::GlobalPool { x }
            | Self::GroupNorm(GroupNorm { x, .. })
            | Self::Linear { x, .. } => (Some(x), None, None),
        };
        let parts = if let Self::Concat { parts } = self { parts.clone() } else { Vec::new() };
        [x, second, third].into_iter().flatten().chain(parts)
    }

    /// The same operation with the same weights on another map, where there is that.
    pub(crate) fn again(&self, x: Value) -> Option<Self> {
        Some(match self {
            Self::Conv { weights, window, activation, .. } => {
                let (weights, window, activation) = (weights.clone(), *window, *activation);
                Self::Conv { x, weights, window, activation }
            }
            Self::Pointwise { weights, activation, add: None, .. } => {
                let (weights, activation) = (weights.clone(), *activation);
                Self::Pointwise { x, weights, activation, add: None }
            }
            Self::Depthwise { filters, window, activation, .. } => {
                let (filters, window, activation) = (filters.clone(), *window, *activation);
                Self::Depthwise { x, filters, window, activation }
            }
            Self::GroupNorm(norm) => {
                Self::GroupNorm(GroupNorm { x, affine: norm.affine.clone(), ..*norm })
            }
            _ => return None,
        })
    }

    /// The kind's name in listings.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Conv { .. } => "conv",
            Self::Pointwise { .. } => "pointwise",
            Self::Depthwise { .. } => "depthwise",
            Self::Ghost(_) => "ghost",
            Self::Dfc { .. } => "dfc",
            Self::AvgPool { .. } => "avg-pool",
            Self::GlobalPool { .. } => "global-pool",
            Self::Linear { .. } => "linear",
            Self::Resize(_) => "resize",
            Self::GroupNorm(_) => "group-norm",
            Self::Concat { .. } => "concat",
        }
    }

    /// Kernel of the convolution behind a ghost module.
    pub(crate) fn then_kernel(&self) -> Option<String> {
        let Self::Ghost(ghost) = self else { return None };
        ghost.then.as_ref().map(|(_, window)| window.to_string())
    }

    /// Kernel size, stride and what is fused, for listings; with the convolution behind a ghost
    /// module or without.
    pub(crate) fn kernel(&self, then: bool) -> String {
        let act = |activation: &Activation| match activation {
            Activation::Identity => String::new(),
            other => format!(" {other:?}").to_lowercase(),
        };
        match self {
            Self::Conv { window, activation, .. } | Self::Depthwise { window, activation, .. } => {
                format!("{window}{}", act(activation))
            }
            Self::AvgPool { window, .. } => window.to_string(),
            Self::Pointwise { activation, add, .. } => {
                format!("1x1{}{}", if add.is_some() { " +add" } else { "" }, act(activation))
            }
            Self::Ghost(ghost) => {
                let cheap = ghost.window.to_string();
                let cheap = cheap.trim_end_matches("/1");
                let scale = if ghost.scale.is_some() { " *scale" } else { "" };
                let join = match ghost.join {
                    Join::None => "",
                    Join::Add(_) => " +add",
                    Join::Gate(_) => " *gate",
                };
                let then = if then { self.then_kernel() } else { None };
                let then = then.map_or(String::new(), |kernel| format!(",{kernel}"));
                format!("1x1,{cheap}{}{scale}{join}{then}", act(&ghost.activation))
            }
            Self::Dfc { horizontal, vertical, .. } => {
                format!("1x1,1x{},{}x1", horizontal.kernel.1, vertical.kernel.0)
            }
            Self::Linear { activation, .. } => act(activation).trim_start().to_owned(),
            Self::Resize(resize) => resize.kernel(),
            Self::GroupNorm(norm) => format!("{}{}", norm.groups, act(&norm.activation)),
            Self::Input | Self::GlobalPool { .. } | Self::Concat { .. } => String::new(),
        }
    }

    /// The matrix that the first operand is multiplied with, but of a convolution with windows.
    pub(crate) fn matrix(&self) -> Option<&Matrix> {
        match self {
            Self::Pointwise { weights, .. } => Some(weights),
            Self::Dfc { weights, .. } | Self::Linear { weights, .. } => Some(weights),
            Self::Ghost(ghost) => Some(&ghost.primary),
            Self::Input
            | Self::Conv { .. }
            | Self::Depthwise { .. }
            | Self::AvgPool { .. }
            | Self::GlobalPool { .. }
            | Self::Resize(_)
            | Self::GroupNorm(_)
            | Self::Concat { .. } => None,
        }
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Conv { weights, .. } => weights.bytes(),
            Self::Pointwise { weights, .. } => weights.bytes(),
            Self::Linear { weights, .. } => weights.bytes(),
            Self::GroupNorm(norm) => norm.affine.bytes(),
            Self::Depthwise { filters, .. } => filters.bytes(),
            Self::Ghost(ghost) => {
                let then = ghost.then.as_ref().map_or(0, |(filters, _)| filters.bytes());
                ghost.primary.bytes() + ghost.cheap.bytes() + then
            }
            Self::Dfc { weights, horizontal, vertical, .. } => {
                weights.bytes() + horizontal.bytes() + vertical.bytes()
            }
            Self::Input
            | Self::AvgPool { .. }
            | Self::GlobalPool { .. }
            | Self::Resize(_)
            | Self::Concat { .. } => 0,
        }
    }
}

/// An operation and what is known of its result without sizes.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) channels: usize,
    /// Whether it is a vector: one pixel, whatever the input's size.
    pub(crate) vector: bool,
    /// The node whose weights it shares, if they are not its own.
    pub(crate) repeats: Option<usize>,
}

/// A network with packed weights, for any input size. Immutable, shared by plans and threads.
#[derive(Debug)]
pub struct Network {
    pub(crate) isa: AnyIsa,
    pub(crate) precision: Precision,
    /// Of an int8 network: the ranges that it was packed with.
    pub(crate) calibration: Option<Arc<Calibration>>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<Value>,
    /// For each node its weights as they were given; empty unless recorded.
    pub(crate) plain: Vec<Vec<Plain>>,
}

impl Network {
    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.nodes.iter().filter(|node| node.repeats.is_none()).map(|node| node.op.bytes()).sum()
    }

    /// The precision of the large weights.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The instruction set that the weights are packed for.
    pub fn isa(&self) -> AnyIsa {
        self.isa
    }

    /// For each output, whether it is a vector.
    pub fn output_vectors(&self) -> impl Iterator<Item = bool> {
        self.outputs.iter().map(|value| self.nodes[value.0].vector)
    }

    /// Channels of the input.
    pub fn input_channels(&self) -> usize {
        self.nodes.first().map_or(0, |node| node.channels)
    }
}
