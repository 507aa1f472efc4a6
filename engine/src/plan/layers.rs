//! What a network computes, layer by layer: for executors on other devices than this CPU.

use super::graph::{Ghost, Join, Network, Op, Value};
use super::infer::shapes;
use super::{PlanError, Shape, Window};
use crate::nhwc::activation::Activation;

/// Weights and bias of a convolution as they were given, in PyTorch's order.
pub type Plain = (Vec<f32>, Vec<f32>);

/// A layer of a network, for one input size.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// What it computes, of which values.
    pub operation: Operation,
    /// The shape of its value.
    pub shape: Shape,
    /// Weights and biases, in the order of its kind; of a recorded network only.
    pub weights: &'a [Plain],
}

/// What a layer computes; values count the layers from 0. See the methods of
/// [`NetworkBuilder`](super::NetworkBuilder).
#[derive(Clone, Debug)]
pub enum Operation {
    /// The picture.
    Input,
    /// A dense convolution.
    Conv {
        /// What it reads.
        x: usize,
        /// Its window.
        window: Window,
        /// What follows.
        activation: Activation,
    },
    /// A 1x1 convolution.
    Pointwise {
        /// What it reads.
        x: usize,
        /// What is added before the activation.
        add: Option<usize>,
        /// What follows.
        activation: Activation,
    },
    /// A depthwise convolution.
    Depthwise {
        /// What it reads.
        x: usize,
        /// Its window.
        window: Window,
        /// What follows.
        activation: Activation,
    },
    /// A ghost module; weights: primary, cheap, and those of `then`.
    Ghost {
        /// What it reads.
        x: usize,
        /// A factor for each channel of that.
        scale: Option<usize>,
        /// Side of the cheap kernel.
        side: usize,
        /// What follows both convolutions.
        activation: Activation,
        /// A map that is added.
        add: Option<usize>,
        /// A map that it is multiplied by, at the nearest pixel.
        gate: Option<usize>,
        /// A depthwise convolution behind all that.
        then: Option<Window>,
    },
    /// DFC attention; weights: pointwise, along rows, along columns.
    Dfc {
        /// What it reads.
        x: usize,
        /// Length of the filters along columns and rows.
        reach: (usize, usize),
    },
    /// Means of windows.
    AvgPool {
        /// What it reads.
        x: usize,
        /// Its window.
        window: Window,
        /// Whether the padding counts.
        count_padding: bool,
    },
    /// The mean of all pixels.
    GlobalPool {
        /// What it reads.
        x: usize,
    },
    /// A layer on vectors.
    Linear {
        /// What it reads.
        x: usize,
        /// What follows.
        activation: Activation,
    },
    /// What only heads have, by its kind.
    Other(&'static str),
}

impl Network {
    /// All layers in order, for an input of this height and width.
    ///
    /// # Errors
    /// A size that the network can't take.
    pub fn layers(&self, (height, width): (usize, usize)) -> Result<Vec<Layer<'_>>, PlanError> {
        let input = Shape { channels: self.input_channels(), height, width };
        let layer = |(index, shape): (usize, Shape)| {
            let node = &self.nodes[index];
            let weights = self.plain.get(node.repeats.unwrap_or(index));
            let weights = weights.map_or(&[][..], Vec::as_slice);
            Layer { operation: operation(&node.op), shape, weights }
        };
        Ok(shapes(self, input)?.into_iter().enumerate().map(layer).collect())
    }

    /// The layers whose values the network gives.
    pub fn output_layers(&self) -> impl Iterator<Item = usize> {
        self.outputs.iter().map(|Value(index)| *index)
    }
}

fn operation(op: &Op) -> Operation {
    let of = |value: &Value| value.0;
    match op {
        Op::Input => Operation::Input,
        Op::Conv { x, window, activation, .. } => {
            Operation::Conv { x: x.0, window: *window, activation: *activation }
        }
        Op::Pointwise { x, add, activation, .. } => {
            Operation::Pointwise { x: x.0, add: add.as_ref().map(of), activation: *activation }
        }
        Op::Depthwise { x, window, activation, .. } => {
            Operation::Depthwise { x: x.0, window: *window, activation: *activation }
        }
        Op::Ghost(ghost) => {
            let Ghost { x, scale, cheap, activation, join, then, .. } = &**ghost;
            let (add, gate) = match join {
                Join::None => (None, None),
                Join::Add(value) => (Some(value.0), None),
                Join::Gate(value) => (None, Some(value.0)),
            };
            Operation::Ghost {
                x: x.0,
                scale: scale.as_ref().map(of),
                side: cheap.kernel.0,
                activation: *activation,
                add,
                gate,
                then: then.as_ref().map(|(_, window)| *window),
            }
        }
        Op::Dfc { x, horizontal, vertical, .. } => {
            Operation::Dfc { x: x.0, reach: (vertical.kernel.0, horizontal.kernel.1) }
        }
        Op::AvgPool { x, window, count_padding } => {
            Operation::AvgPool { x: x.0, window: *window, count_padding: *count_padding }
        }
        Op::GlobalPool { x } => Operation::GlobalPool { x: x.0 },
        Op::Linear { x, activation, .. } => Operation::Linear { x: x.0, activation: *activation },
        Op::Resize(_) | Op::GroupNorm(_) | Op::Concat { .. } => Operation::Other(op.kind()),
    }
}
