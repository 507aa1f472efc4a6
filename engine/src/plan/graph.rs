//! The operations of a network, with packed weights and without sizes.

use std::sync::Arc;

use super::{Calibration, PlanError, Precision};
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::pack::{Filters, Matrix};

/// A map or vector inside a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) usize);

/// What a node computes; see the methods of [`NetworkBuilder`](super::NetworkBuilder).
#[derive(Debug)]
pub(crate) enum Op {
    Input,
    Conv { x: Value, weights: Matrix, window: Window, activation: Activation },
    Pointwise { x: Value, weights: Matrix, activation: Activation, add: Option<Value> },
    Depthwise { x: Value, filters: Filters, window: Window, activation: Activation },
    Ghost(Box<Ghost>),
    Dfc { x: Value, weights: Matrix, horizontal: Filters, vertical: Filters },
    AvgPool2x2 { x: Value },
    GlobalPool { x: Value },
    Linear { x: Value, weights: Matrix, activation: Activation },
}

/// Kernel, stride and zero padding of a convolution: height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: (usize, usize),
    /// Step in both directions.
    pub stride: usize,
    /// Zeros on each side, fewer than the kernel has taps.
    pub padding: (usize, usize),
}

impl Window {
    /// A kernel of odd sides with the padding that keeps the size at stride 1.
    pub fn same(kernel: (usize, usize), stride: usize) -> Self {
        Self { kernel, stride, padding: (kernel.0 / 2, kernel.1 / 2) }
    }

    /// The output's height and width, if there is one.
    pub(crate) fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let side = |size: usize, padding: usize, kernel: usize| {
            Some((size + 2 * padding).checked_sub(kernel)? / self.stride + 1)
        };
        Some((
            side(height, self.padding.0, self.kernel.0)?,
            side(width, self.padding.1, self.kernel.1)?,
        ))
    }

    pub(crate) fn check(&self, operation: &'static str) -> Result<(), PlanError> {
        let fits = |padding: usize, kernel: usize| padding < kernel;
        if self.stride > 0
            && fits(self.padding.0, self.kernel.0)
            && fits(self.padding.1, self.kernel.1)
        {
            return Ok(());
        }
        let reason = format!("{self:?}: expected a stride, and less padding than kernel");
        Err(PlanError::Operands { operation, reason })
    }
}

/// A ghost module.
#[derive(Debug)]
pub(crate) struct Ghost {
    pub(crate) x: Value,
    pub(crate) scale: Option<Value>,
    pub(crate) primary: Matrix,
    pub(crate) cheap: Filters,
    pub(crate) activation: Activation,
    pub(crate) join: Join,
    /// A depthwise convolution of the module's output, which nothing else reads.
    pub(crate) then: Option<(Filters, Window)>,
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
            Self::Pointwise { x, add, .. } => (Some(x), add, None),
            Self::Conv { x, .. }
            | Self::Depthwise { x, .. }
            | Self::Dfc { x, .. }
            | Self::AvgPool2x2 { x }
            | Self::GlobalPool { x }
            | Self::Linear { x, .. } => (Some(x), None, None),
        };
        [x, second, third].into_iter().flatten()
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
            Self::AvgPool2x2 { .. } => "avg-pool",
            Self::GlobalPool { .. } => "global-pool",
            Self::Linear { .. } => "linear",
        }
    }

    /// Kernel of the convolution behind a ghost module.
    pub(crate) fn then_kernel(&self) -> Option<String> {
        let Self::Ghost(ghost) = self else { return None };
        let (_, Window { kernel: (kh, kw), stride, .. }) = ghost.then.as_ref()?;
        Some(format!("{kh}x{kw}/{stride}"))
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
                let (kh, kw) = window.kernel;
                format!("{kh}x{kw}/{}{}", window.stride, act(activation))
            }
            Self::Pointwise { activation, add, .. } => {
                format!("1x1{}{}", if add.is_some() { " +add" } else { "" }, act(activation))
            }
            Self::Ghost(ghost) => {
                let (kh, kw) = ghost.cheap.kernel;
                let scale = if ghost.scale.is_some() { " *scale" } else { "" };
                let join = match ghost.join {
                    Join::None => "",
                    Join::Add(_) => " +add",
                    Join::Gate(_) => " *gate",
                };
                let then = if then { self.then_kernel() } else { None };
                let then = then.map_or(String::new(), |kernel| format!(",{kernel}"));
                format!("1x1,{kh}x{kw}{}{scale}{join}{then}", act(&ghost.activation))
            }
            Self::Dfc { horizontal, vertical, .. } => {
                format!("1x1,1x{},{}x1", horizontal.kernel.1, vertical.kernel.0)
            }
            Self::Linear { activation, .. } => act(activation).trim_start().to_owned(),
            Self::AvgPool2x2 { .. } => "2x2/2".into(),
            Self::Input | Self::GlobalPool { .. } => String::new(),
        }
    }

    /// The matrix that the first operand is multiplied with, but of a convolution with windows.
    pub(crate) fn matrix(&self) -> Option<&Matrix> {
        match self {
            Self::Pointwise { weights, .. }
            | Self::Dfc { weights, .. }
            | Self::Linear { weights, .. } => Some(weights),
            Self::Ghost(ghost) => Some(&ghost.primary),
            Self::Input
            | Self::Conv { .. }
            | Self::Depthwise { .. }
            | Self::AvgPool2x2 { .. }
            | Self::GlobalPool { .. } => None,
        }
    }

    /// Bytes of packed weights.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Conv { weights, .. }
            | Self::Pointwise { weights, .. }
            | Self::Linear { weights, .. } => weights.bytes(),
            Self::Depthwise { filters, .. } => filters.bytes(),
            Self::Ghost(ghost) => {
                let then = ghost.then.as_ref().map_or(0, |(filters, _)| filters.bytes());
                ghost.primary.bytes() + ghost.cheap.bytes() + then
            }
            Self::Dfc { weights, horizontal, vertical, .. } => {
                weights.bytes() + horizontal.bytes() + vertical.bytes()
            }
            Self::Input | Self::AvgPool2x2 { .. } | Self::GlobalPool { .. } => 0,
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
}

impl Network {
    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.nodes.iter().map(|node| node.op.bytes()).sum()
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
