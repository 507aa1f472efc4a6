//! The layers of a model: how the builder makes each, and what the oracle says of it.

use engine::plan::{
    Activation, Extent, Interpolation, Join, NetworkBuilder, PlanError, Value, Window,
};

use crate::model::{Id, Joint};
use crate::oracle::{Map, Parameters};

/// What group normalisations add to the variance.
const EPSILON: f32 = 1e-5;

/// The size of a resized map.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Like(Id),
    Times(usize),
}

impl Size {
    /// Height and width, for a map of this size.
    fn of(self, x: (usize, usize), size: impl Fn(Id) -> (usize, usize)) -> (usize, usize) {
        match self {
            Self::Like(value) => size(value),
            Self::Times(n) => (n * x.0, n * x.1),
        }
    }
}

/// What a value is made by.
#[derive(Debug)]
pub(crate) enum Layer {
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
    AvgPool(Id, Window, bool),
    GlobalPool(Id),
    Linear(Id, Parameters, Activation),
    Resize(Id, Size, Interpolation, Option<Id>, Activation),
    GroupNorm(Id, usize, Parameters, Activation),
    Concat(Vec<Id>),
    /// This layer, made by repeating what made the first value on the second.
    Repeat(Id, Id, Box<Layer>),
}

/// A ghost module.
#[derive(Debug)]
pub(crate) struct Ghost {
    pub(crate) x: Id,
    pub(crate) scale: Option<Id>,
    pub(crate) channels: usize,
    pub(crate) primary: Parameters,
    /// Side of the cheap kernel, and the distance of its taps.
    pub(crate) kernel: (usize, usize),
    pub(crate) cheap: Parameters,
    pub(crate) activation: Activation,
    pub(crate) joint: Joint,
    pub(crate) then: Option<(Window, Parameters)>,
}

impl Layer {
    /// All weights.
    pub(crate) fn parameters(&mut self) -> Vec<&mut Parameters> {
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
            Self::GroupNorm(_, _, parameters, _) => vec![parameters],
            Self::Repeat(_, _, layer) => layer.parameters(),
            Self::AvgPool2x2(_)
            | Self::AvgPool(..)
            | Self::GlobalPool(_)
            | Self::Resize(..)
            | Self::Concat(_) => Vec::new(),
        }
    }

    /// Adds the layer to a network.
    pub(crate) fn build(
        &self,
        builder: &mut NetworkBuilder,
        values: &[Value],
    ) -> Result<Value, PlanError> {
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
                    (ghost.window(), ghost.cheap.folded()),
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
            Self::AvgPool(x, window, count_padding) => {
                builder.avg_pool(values[*x], *window, *count_padding)
            }
            Self::GlobalPool(x) => builder.global_pool(values[*x]),
            Self::Linear(x, parameters, activation) => {
                builder.linear(values[*x], parameters.folded(), *activation)
            }
            Self::Resize(x, size, interpolation, add, activation) => {
                let extent = match *size {
                    Size::Like(value) => Extent::Like(values[value]),
                    Size::Times(n) => Extent::Times(n),
                };
                let add = add.map(|add| values[add]);
                builder.resize(values[*x], extent, *interpolation, add, *activation)
            }
            Self::GroupNorm(x, groups, parameters, activation) => {
                let affine = parameters.folded();
                builder.group_norm(values[*x], *groups, affine, EPSILON, *activation)
            }
            Self::Concat(parts) => {
                let parts: Vec<Value> = parts.iter().map(|part| values[*part]).collect();
                builder.concat(&parts)
            }
            Self::Repeat(like, x, _) => builder.repeat(values[*like], values[*x]),
        }
    }

    /// Its result by the oracle.
    pub(crate) fn oracle(&self, values: &[Map]) -> Map {
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
            Self::AvgPool(x, window, count_padding) => values[*x].avg_pool(*window, *count_padding),
            Self::GlobalPool(x) => values[*x].global_pool(),
            Self::Linear(x, parameters, activation) => {
                values[*x].matrix(parameters).activate(*activation)
            }
            Self::Resize(x, size, interpolation, add, activation) => {
                let size = size.of(values[*x].size, |value| values[value].size);
                let resized = values[*x].resize(size, *interpolation);
                let sum = add.map_or_else(|| resized.clone(), |add| resized.add(&values[add]));
                sum.activate(*activation)
            }
            Self::GroupNorm(x, groups, parameters, activation) => {
                values[*x].group_norm(*groups, parameters, EPSILON).activate(*activation)
            }
            Self::Concat(parts) => {
                let rest = parts[1..].iter().map(|part| &values[*part]);
                rest.fold(values[parts[0]].clone(), |all, part| {
                    all.concat(part, all.channels + part.channels)
                })
            }
            Self::Repeat(_, _, layer) => layer.oracle(values),
        }
    }

    /// The layer on another operand; only of what can be repeated.
    pub(crate) fn on(&self, x: Id) -> Self {
        match self {
            Self::Conv(_, window, parameters, activation) => {
                Self::Conv(x, *window, parameters.clone(), *activation)
            }
            Self::Pointwise(_, parameters, activation, None) => {
                Self::Pointwise(x, parameters.clone(), *activation, None)
            }
            Self::Depthwise(_, window, parameters, activation) => {
                Self::Depthwise(x, *window, parameters.clone(), *activation)
            }
            Self::GroupNorm(_, groups, parameters, activation) => {
                Self::GroupNorm(x, *groups, parameters.clone(), *activation)
            }
            Self::Repeat(_, _, layer) => layer.on(x),
            other => panic!("{other:?} can't be repeated"),
        }
    }
}

impl Ghost {
    fn window(&self) -> Window {
        let (side, dilation) = self.kernel;
        Window::dilated((side, side), dilation)
    }

    fn oracle(&self, values: &[Map]) -> Map {
        let x = &values[self.x];
        let x = self.scale.map_or_else(|| x.clone(), |scale| x.gate(&values[scale]));
        let primary = x.matrix(&self.primary).activate(self.activation);
        let cheap = primary.depthwise(self.window(), &self.cheap).activate(self.activation);
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
