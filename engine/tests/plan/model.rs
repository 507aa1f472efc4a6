//! Small networks with random weights, which both the engine and the oracle can run.

use std::sync::Arc;

use engine::plan::{
    Activation, Join, Network, NetworkBuilder, PlanError, PlanOptions, Value, Window,
};

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

#[derive(Debug)]
enum Layer {
    Conv(Id, Window, Parameters, Activation),
    Pointwise(Id, Parameters, Activation, Option<Id>),
    Depthwise(Id, Window, Parameters, Activation),
    Ghost(Box<Ghost>),
    Dfc {
        x: Id,
        primary: Parameters,
        horizontal: (usize, Parameters),
        vertical: (usize, Parameters),
    },
    AvgPool2x2(Id),
    GlobalPool(Id),
    Linear(Id, Parameters, Activation),
}

#[derive(Debug)]
struct Ghost {
    x: Id,
    scale: Option<Id>,
    channels: usize,
    primary: Parameters,
    kernel: usize,
    cheap: Parameters,
    activation: Activation,
    joint: Joint,
    then: Option<(Window, Parameters)>,
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
        let (primary, then) = (weights, None);
        let ghost = Ghost { x, scale, channels, primary, kernel, cheap, activation, joint, then };
        self.push(channels, Layer::Ghost(Box::new(ghost)))
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

    pub(crate) fn global_pool(&mut self, x: Id) -> Id {
        self.push(self.channels[x], Layer::GlobalPool(x))
    }

    pub(crate) fn linear(&mut self, x: Id, n: usize, activation: Activation) -> Id {
        let parameters = self.parameters(n, self.channels[x]);
        self.push(n, Layer::Linear(x, parameters, activation))
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

impl Layer {
    fn parameters(&mut self) -> Vec<&mut Parameters> {
        match self {
            Self::Conv(_, _, parameters, _)
            | Self::Pointwise(_, parameters, _, _)
            | Self::Depthwise(_, _, parameters, _)
            | Self::Linear(_, parameters, _) => vec![parameters],
            Self::Ghost(ghost) => {
                let then = ghost.then.as_mut().map(|(_, parameters)| parameters);
                [&mut ghost.primary, &mut ghost.cheap].into_iter().chain(then).collect()
            }
            Self::Dfc { primary, horizontal, vertical, .. } => {
                vec![primary, &mut horizontal.1, &mut vertical.1]
            }
            Self::AvgPool2x2(_) | Self::GlobalPool(_) => Vec::new(),
        }
    }

    fn build(&self, builder: &mut NetworkBuilder, values: &[Value]) -> Result<Value, PlanError> {
        match self {
            Self::Conv(x, window, parameters, activation) => {
                builder.conv(values[*x], *window, parameters.folded(), *activation)
            }
            Self::Pointwise(x, parameters, activation, add) => {
                let add = add.map(|add| values[add]);
                builder.pointwise(values[*x], parameters.folded(), *activation, add)
            }
            Self::Depthwise(x, window, parameters, activation) => {
                builder.depthwise(values[*x], *window, parameters.folded(), *activation)
            }
            Self::Ghost(ghost) => {
                let join = match ghost.joint {
                    Joint::None => Join::None,
                    Joint::Add(map) => Join::Add(values[map]),
                    Joint::Gate(map) => Join::Gate(values[map]),
                };
                let made = builder.ghost(
                    (values[ghost.x], ghost.scale.map(|scale| values[scale])),
                    ghost.channels,
                    ghost.primary.folded(),
                    ((ghost.kernel, ghost.kernel), ghost.cheap.folded()),
                    ghost.activation,
                    join,
                )?;
                match &ghost.then {
                    None => Ok(made),
                    Some((window, parameters)) => {
                        builder.then_depthwise(made, *window, parameters.folded())
                    }
                }
            }
            Self::Dfc { x, primary, horizontal, vertical } => builder.dfc(
                values[*x],
                primary.folded(),
                (horizontal.0, horizontal.1.folded()),
                (vertical.0, vertical.1.folded()),
            ),
            Self::AvgPool2x2(x) => builder.avg_pool2x2(values[*x]),
            Self::GlobalPool(x) => builder.global_pool(values[*x]),
            Self::Linear(x, parameters, activation) => {
                builder.linear(values[*x], parameters.folded(), *activation)
            }
        }
    }

    fn oracle(&self, values: &[Map]) -> Map {
        match self {
            Self::Conv(x, window, parameters, activation) => {
                values[*x].conv(*window, parameters).activate(*activation)
            }
            Self::Pointwise(x, parameters, activation, add) => {
                let sum = values[*x].matrix(parameters);
                add.map_or_else(|| sum.clone(), |add| sum.add(&values[add])).activate(*activation)
            }
            Self::Depthwise(x, window, parameters, activation) => {
                values[*x].depthwise(*window, parameters).activate(*activation)
            }
            Self::Ghost(ghost) => ghost.oracle(values),
            Self::Dfc { x, primary, horizontal, vertical } => values[*x]
                .matrix(primary)
                .depthwise(Window::same((1, horizontal.0), 1), &horizontal.1)
                .depthwise(Window::same((vertical.0, 1), 1), &vertical.1)
                .activate(Activation::Sigmoid),
            Self::AvgPool2x2(x) => values[*x].avg_pool2x2(),
            Self::GlobalPool(x) => values[*x].global_pool(),
            Self::Linear(x, parameters, activation) => {
                values[*x].matrix(parameters).activate(*activation)
            }
        }
    }
}

impl Ghost {
    fn oracle(&self, values: &[Map]) -> Map {
        let x = &values[self.x];
        let x = self.scale.map_or_else(|| x.clone(), |scale| x.gate(&values[scale]));
        let primary = x.matrix(&self.primary).activate(self.activation);
        let same = Window::same((self.kernel, self.kernel), 1);
        let cheap = primary.depthwise(same, &self.cheap).activate(self.activation);
        let both = primary.concat(&cheap, self.channels);
        let joined = match self.joint {
            Joint::None => both,
            Joint::Add(map) => both.add(&values[map]),
            Joint::Gate(map) => both.gate(&values[map]),
        };
        match &self.then {
            None => joined,
            Some((window, parameters)) => joined.depthwise(*window, parameters),
        }
    }
}
