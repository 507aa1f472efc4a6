//! Small networks with random weights, which both the engine and the oracle can run.

use std::sync::Arc;

use engine::plan::{
    Activation, Interpolation, Network, NetworkBuilder, PlanError, PlanOptions, Value, Window,
};

use crate::layer::{Ghost, Layer, Size};
use crate::oracle::{Map, Parameters};

/// A value: the input, or the result of a layer.
pub(crate) type Id = usize;

/// The network's input.
pub(crate) const INPUT: Id = 0;

/// What a ghost module's features are joined with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Joint {
    None,
    Add(Id),
    Gate(Id),
}

/// A network.
#[derive(Debug)]
pub(crate) struct Model {
    /// Channels of each value.
    pub(crate) channels: Vec<usize>,
    layers: Vec<Layer>,
    pub(crate) outputs: Vec<Id>,
    seed: u32,
}

impl Model {
    pub(crate) fn new(channels: usize) -> Self {
        Self { channels: vec![channels], layers: Vec::new(), outputs: Vec::new(), seed: 0 }
    }

    /// A network whose first value is a map of `channels` channels, by way of a convolution from
    /// three: only a convolution can read the input.
    pub(crate) fn with_map(channels: usize) -> (Self, Id) {
        let mut model = Self::new(3);
        let x = model.conv(INPUT, Window::same((1, 1), 1), channels, Activation::Identity);
        (model, x)
    }

    pub(crate) fn conv(&mut self, x: Id, window: Window, n: usize, activation: Activation) -> Id {
        let taps = window.kernel.0 * window.kernel.1;
        let parameters = self.parameters(n, self.channels[x] * taps);
        self.push(n, Layer::Conv(x, window, parameters, activation))
    }

    pub(crate) fn pointwise(
        &mut self,
        x: Id,
        n: usize,
        activation: Activation,
        add: Option<Id>,
    ) -> Id {
        let parameters = self.parameters(n, self.channels[x]);
        self.push(n, Layer::Pointwise(x, parameters, activation, add))
    }

    pub(crate) fn depthwise(&mut self, x: Id, window: Window, activation: Activation) -> Id {
        let n = self.channels[x];
        let parameters = self.parameters(n, window.kernel.0 * window.kernel.1);
        self.push(n, Layer::Depthwise(x, window, parameters, activation))
    }

    /// A ghost module of `primary` and altogether `channels` features.
    pub(crate) fn ghost(
        &mut self,
        (x, scale): (Id, Option<Id>),
        (primary, channels): (usize, usize),
        kernel: usize,
        activation: Activation,
        joint: Joint,
    ) -> Id {
        let weights = self.parameters(primary, self.channels[x]);
        let cheap = self.parameters(primary, kernel * kernel);
        let (primary, kernel, then) = (weights, (kernel, 1), None);
        let ghost = Ghost { x, scale, channels, primary, kernel, cheap, activation, joint, then };
        self.push(channels, Layer::Ghost(Box::new(ghost)))
    }

    /// Moves the taps of the cheap kernel of the ghost module that was made last apart.
    pub(crate) fn dilate(&mut self, dilation: usize) {
        match self.layers.last_mut() {
            Some(Layer::Ghost(ghost)) => ghost.kernel.1 = dilation,
            other => panic!("expected a ghost module, found {other:?}"),
        }
    }

    /// A depthwise convolution of the ghost module that was made last, and only of it.
    pub(crate) fn then_depthwise(&mut self, window: Window) {
        let n = self.channels.last().copied().unwrap_or(0);
        let parameters = self.parameters(n, window.kernel.0 * window.kernel.1);
        match self.layers.last_mut() {
            Some(Layer::Ghost(ghost)) => ghost.then = Some((window, parameters)),
            other => panic!("expected a ghost module, found {other:?}"),
        }
    }

    pub(crate) fn dfc(&mut self, x: Id, n: usize, (kh, kw): (usize, usize)) -> Id {
        let primary = self.parameters(n, self.channels[x]);
        let horizontal = (kw, self.parameters(n, kw));
        let vertical = (kh, self.parameters(n, kh));
        self.push(n, Layer::Dfc { x, primary, horizontal, vertical })
    }

    pub(crate) fn avg_pool2x2(&mut self, x: Id) -> Id {
        self.push(self.channels[x], Layer::AvgPool2x2(x))
    }

    pub(crate) fn avg_pool(&mut self, x: Id, window: Window, count_padding: bool) -> Id {
        self.push(self.channels[x], Layer::AvgPool(x, window, count_padding))
    }

    pub(crate) fn global_pool(&mut self, x: Id) -> Id {
        self.push(self.channels[x], Layer::GlobalPool(x))
    }

    pub(crate) fn linear(&mut self, x: Id, n: usize, activation: Activation) -> Id {
        let parameters = self.parameters(n, self.channels[x]);
        self.push(n, Layer::Linear(x, parameters, activation))
    }

    pub(crate) fn resize(
        &mut self,
        x: Id,
        size: Size,
        interpolation: Interpolation,
        add: Option<Id>,
        activation: Activation,
    ) -> Id {
        self.push(self.channels[x], Layer::Resize(x, size, interpolation, add, activation))
    }

    pub(crate) fn activation(&mut self, x: Id, add: Option<Id>, activation: Activation) -> Id {
        self.resize(x, Size::Times(1), Interpolation::Nearest, add, activation)
    }

    pub(crate) fn group_norm(&mut self, x: Id, groups: usize, activation: Activation) -> Id {
        let parameters = self.parameters(self.channels[x], 1);
        self.push(self.channels[x], Layer::GroupNorm(x, groups, parameters, activation))
    }

    pub(crate) fn concat(&mut self, parts: &[Id]) -> Id {
        let channels = parts.iter().map(|part| self.channels[*part]).sum();
        self.push(channels, Layer::Concat(parts.to_vec()))
    }

    /// On `x`, what made `like`: a convolution or a group normalisation.
    pub(crate) fn repeat(&mut self, like: Id, x: Id) -> Id {
        let layer = Box::new(self.layers[like - 1].on(x));
        self.push(self.channels[like], Layer::Repeat(like, x, layer))
    }

    fn parameters(&mut self, outputs: usize, factors: usize) -> Parameters {
        self.seed += 1;
        Parameters::random(outputs, factors, self.seed)
    }

    fn push(&mut self, channels: usize, layer: Layer) -> Id {
        self.channels.push(channels);
        self.layers.push(layer);
        self.layers.len()
    }

    /// Shortens all weights to what bfloat16 holds exactly.
    pub(crate) fn shorten(&mut self) {
        for parameters in self.layers.iter_mut().flat_map(Layer::parameters) {
            for weight in &mut parameters.weights {
                *weight = f32::from_bits(weight.to_bits() & 0xffff_0000);
            }
        }
    }

    /// The engine's network.
    pub(crate) fn network(&self, options: &PlanOptions) -> Result<Arc<Network>, PlanError> {
        let (mut builder, input) = NetworkBuilder::new(options, self.channels[INPUT]);
        let mut values = vec![input];
        for layer in &self.layers {
            values.push(layer.build(&mut builder, &values)?);
        }
        let outputs: Vec<Value> = self.outputs.iter().map(|output| values[*output]).collect();
        Ok(Arc::new(builder.build(&outputs)))
    }

    /// What the oracle says of the outputs for one picture.
    pub(crate) fn expected(&self, picture: &Map) -> Vec<Map> {
        let mut values = vec![picture.clone()];
        for layer in &self.layers {
            values.push(layer.oracle(&values));
        }
        self.outputs.iter().map(|output| values[*output].clone()).collect()
    }
}
