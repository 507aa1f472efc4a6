//! Builds networks: checks operands, packs weights.

mod heads;

use std::sync::Arc;

use super::graph::{Ghost, Join, Network, Node, Op, Value};
use super::layers::Plain;
use super::window::Window;
use super::{PlanError, PlanOptions, Precision};
use crate::buffer::Store;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::pack::{Filters, Kernels, Matrix, Packing};

/// Weights and biases of a convolution into which batch-norm is folded.
pub type Folded<'a> = (&'a [f32], &'a [f32]);

/// Inputs below which rounding the pixels to bfloat16 takes longer than it saves.
const LEAST_HALVES: usize = 32;

/// Takes the operations of a network one by one, checks that they fit, and packs their weights.
///
/// Weights come in the order of PyTorch and candle: `[out, in, kh, kw]`, `[channels, kh, kw]` for
/// depthwise filters, `[out, in]` for matrices.
#[derive(Debug)]
pub struct NetworkBuilder {
    network: Network,
    store: Store,
    /// Weights that the next node will have, where they are recorded.
    recorded: Option<Vec<Plain>>,
}

impl NetworkBuilder {
    /// A network whose input has `channels` channels, and that input.
    pub fn new(options: &PlanOptions, channels: usize) -> (Self, Value) {
        let isa = options.isa.unwrap_or_else(AnyIsa::best);
        let input = Node { op: Op::Input, channels, vector: false, repeats: None };
        let precision = options.precision;
        let calibration = options.calibration.clone().filter(|_| precision == Precision::Int8);
        let network = Network {
            isa,
            precision,
            calibration,
            nodes: vec![input],
            outputs: Vec::new(),
            plain: Vec::new(),
        };
        (Self { network, store: Store::default(), recorded: None }, Value(0))
    }

    /// As [`NetworkBuilder::new`], of a network that keeps its weights as they are given too, for
    /// [`Network::layers`].
    pub fn recording(channels: usize) -> (Self, Value) {
        let (mut builder, input) = Self::new(&PlanOptions::default(), channels);
        builder.recorded = Some(Vec::new());
        (builder, input)
    }

    /// The finished network, which gives `outputs` in this order.
    pub fn build(mut self, outputs: &[Value]) -> Network {
        self.network.outputs = outputs.to_vec();
        self.network
    }

    /// Channels of a value; 0 for one of another builder.
    pub fn channels(&self, value: Value) -> usize {
        self.node(value).map_or(0, |node| node.channels)
    }

    /// A dense convolution, and the only operation that reads the network's input.
    ///
    /// # Errors
    /// Weights that do not fit, an impossible window, no memory.
    pub fn conv(
        &mut self,
        x: Value,
        window: Window,
        (weights, bias): Folded,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        window.check("conv")?;
        PlanError::expect("conv", self.is_map(x) || x == Value(0), "a map")?;
        let (c, n) = (self.channels(x), bias.len());
        PlanError::expect("conv", c > 0 && n > 0, "at least one channel in and out")?;
        let isa = self.network.isa;
        let from = (c, x == Value(0));
        self.record((weights, bias));
        let weights = Kernels::pack(&mut self.store, isa, window, from, (weights, bias))?;
        let weights = Arc::new(weights);
        Ok(self.push(Op::Conv { x, weights, window, activation }, n, false))
    }

    /// A 1x1 convolution, to which `add` is added before the activation.
    ///
    /// # Errors
    /// Operands or weights that do not fit, no memory.
    pub fn pointwise(
        &mut self,
        x: Value,
        (weights, bias): Folded,
        activation: Activation,
        add: Option<Value>,
    ) -> Result<Value, PlanError> {
        let n = bias.len();
        PlanError::expect("pointwise", self.is_map(x), "a map")?;
        let fits = add.is_none_or(|add| self.is_map(add) && self.channels(add) == n);
        PlanError::expect("pointwise", fits, "a map of the output's channels to add")?;
        let weights = Arc::new(self.matrix(x, weights, bias)?);
        Ok(self.push(Op::Pointwise { x, weights, activation, add }, n, false))
    }

    /// One filter for each channel.
    ///
    /// # Errors
    /// Weights that do not fit, an impossible window, no memory.
    pub fn depthwise(
        &mut self,
        x: Value,
        window: Window,
        weights: Folded,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        window.check("depthwise")?;
        PlanError::expect("depthwise", self.is_map(x), "a map")?;
        let channels = self.channels(x);
        let filters = Arc::new(self.filters(channels, window.kernel, weights)?);
        Ok(self.push(Op::Depthwise { x, filters, window, activation }, channels, false))
    }

    /// A ghost module with `channels` outputs: the primary features, a pointwise convolution of
    /// `x · scale`, and as many cheap ones as are left, a depthwise convolution (square, of
    /// stride 1 and the padding that keeps the size) of them.
    ///
    /// # Errors
    /// Operands or weights that do not fit, no memory.
    pub fn ghost(
        &mut self,
        (x, scale): (Value, Option<Value>),
        channels: usize,
        (weights, bias): Folded,
        (window, cheap): (Window, Folded),
        activation: Activation,
        join: Join,
    ) -> Result<Value, PlanError> {
        let primary = bias.len();
        PlanError::expect("ghost", self.is_map(x), "a map")?;
        let fits = scale.is_none_or(|s| self.is_vector(s) && self.channels(s) == self.channels(x));
        PlanError::expect("ghost", fits, "a vector of the input's channels as scale")?;
        let fits = (primary..=2 * primary).contains(&channels);
        PlanError::expect("ghost", fits, "one to two outputs for each primary channel")?;
        window.check("ghost")?;
        let side = window.kernel.0;
        let keeps = side % 2 == 1 && window == Window::dilated((side, side), window.dilation);
        let expected = "a square cheap kernel of odd side, with padding that keeps the size";
        PlanError::expect("ghost", keeps, expected)?;
        let fits = match join {
            Join::None => true,
            Join::Add(map) | Join::Gate(map) => self.is_map(map) && self.channels(map) == channels,
        };
        PlanError::expect("ghost", fits, "a map of the output's channels to join")?;
        let weights = self.matrix(x, weights, bias)?;
        let cheap = self.filters(primary, window.kernel, cheap)?;
        let (primary, then) = (weights, None);
        let ghost = Ghost { x, scale, primary, cheap, window, activation, join, then };
        Ok(self.push(Op::Ghost(Box::new(ghost)), channels, false))
    }

    /// A depthwise convolution of `ghost`, the last value that was made. Nothing else can read
    /// the module's output then: where it is large, it passes through the caches row by row.
    ///
    /// # Errors
    /// Another operand, weights that do not fit, an impossible window, no memory.
    pub fn then_depthwise(
        &mut self,
        ghost: Value,
        window: Window,
        weights: Folded,
    ) -> Result<Value, PlanError> {
        window.check("depthwise")?;
        let channels = self.channels(ghost);
        let filters = self.filters(channels, window.kernel, weights)?;
        let last = ghost.0 + 1 == self.network.nodes.len();
        match self.network.nodes.last_mut() {
            Some(Node { op: Op::Ghost(module), .. }) if last && module.then.is_none() => {
                module.then = Some((filters, window));
                self.attach();
                Ok(ghost)
            }
            _ => {
                let reason = "expected a ghost module that was made last".into();
                Err(PlanError::Operands { operation: "depthwise", reason })
            }
        }
    }

    /// DFC attention on a pooled map: a pointwise convolution, depthwise ones of `[1, kw]` and
    /// `[kh, 1]` (odd), a sigmoid.
    ///
    /// # Errors
    /// Weights that do not fit, no memory.
    pub fn dfc(
        &mut self,
        x: Value,
        (weights, bias): Folded,
        (kw, horizontal): (usize, Folded),
        (kh, vertical): (usize, Folded),
    ) -> Result<Value, PlanError> {
        let n = bias.len();
        PlanError::expect("dfc", self.is_map(x), "a map")?;
        PlanError::expect("dfc", kw % 2 == 1 && kh % 2 == 1, "odd kernels")?;
        let weights = self.matrix(x, weights, bias)?;
        let horizontal = self.filters(n, (1, kw), horizontal)?;
        let vertical = self.filters(n, (kh, 1), vertical)?;
        Ok(self.push(Op::Dfc { x, weights, horizontal, vertical }, n, false))
    }

    /// Means of 2x2 windows with stride 2; an odd last row or column is left out.
    ///
    /// # Errors
    /// An operand that is not a map.
    pub fn avg_pool2x2(&mut self, x: Value) -> Result<Value, PlanError> {
        self.avg_pool(x, Window { padding: (0, 0), ..Window::same((2, 2), 2) }, false)
    }

    /// The mean of all pixels: a vector.
    ///
    /// # Errors
    /// An operand that is not a map.
    pub fn global_pool(&mut self, x: Value) -> Result<Value, PlanError> {
        PlanError::expect("global-pool", self.is_map(x), "a map")?;
        let channels = self.channels(x);
        Ok(self.push(Op::GlobalPool { x }, channels, true))
    }

    /// A fully connected layer on a vector.
    ///
    /// # Errors
    /// An operand that is not a vector, weights that do not fit, no memory.
    pub fn linear(
        &mut self,
        x: Value,
        (weights, bias): Folded,
        activation: Activation,
    ) -> Result<Value, PlanError> {
        PlanError::expect("linear", self.is_vector(x), "a vector")?;
        let weights = self.matrix(x, weights, bias)?;
        Ok(self.push(Op::Linear { x, weights, activation }, bias.len(), true))
    }

    /// None for a value of another builder.
    fn node(&self, value: Value) -> Option<&Node> {
        self.network.nodes.get(value.0)
    }

    fn is_vector(&self, value: Value) -> bool {
        self.node(value).is_some_and(|node| node.vector)
    }

    /// Whether `value` is a map in the plan's own layout.
    fn is_map(&self, value: Value) -> bool {
        value != Value(0) && self.node(value).is_some_and(|node| !node.vector)
    }

    fn matrix(&mut self, x: Value, weights: &[f32], bias: &[f32]) -> Result<Matrix, PlanError> {
        let shape = (bias.len(), self.channels(x));
        let packing = self.packing(x)?;
        self.record((weights, bias));
        Matrix::pack(&mut self.store, self.network.isa, packing, shape, weights, bias)
    }

    /// How the weights of the next operation are packed, which reads `x`.
    fn packing(&self, x: Value) -> Result<Packing, PlanError> {
        let Network { isa, precision, calibration, nodes, .. } = &self.network;
        Ok(match (precision, calibration) {
            (Precision::F32, _) => Packing::F32,
            (Precision::Bf16, _) if isa.has_halves() && self.channels(x) >= LEAST_HALVES => {
                // Vectors stream through all weights once, which tiles do not help.
                Packing::Halves { tiles: isa.has_tiles() && !self.is_vector(x) }
            }
            (Precision::Bf16, _) => Packing::Bf16,
            (Precision::Int8, Some(ranges)) => {
                Packing::Bytes(ranges.quantization(nodes.len(), self.channels(x))?)
            }
            (Precision::Int8, None) => {
                return Err(PlanError::calibration(
                    "the ranges of the network's values are not known",
                ));
            }
        })
    }

    fn filters(
        &mut self,
        channels: usize,
        kernel: (usize, usize),
        (weights, bias): Folded,
    ) -> Result<Filters, PlanError> {
        self.record((weights, bias));
        Filters::pack(&mut self.store, self.network.isa, channels, kernel, weights, bias)
    }

    fn push(&mut self, op: Op, channels: usize, vector: bool) -> Value {
        self.network.nodes.push(Node { op, channels, vector, repeats: None });
        self.attach();
        Value(self.network.nodes.len() - 1)
    }

    /// Keeps weights for the next node, where they are recorded.
    fn record(&mut self, (weights, bias): Folded) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push((weights.to_vec(), bias.to_vec()));
        }
    }

    /// Gives what was recorded to the last node.
    fn attach(&mut self) {
        let Some(recorded) = &mut self.recorded else { return };
        let plain = &mut self.network.plain;
        plain.resize_with(self.network.nodes.len(), Vec::new);
        if let Some(last) = plain.last_mut() {
            last.append(recorded);
        }
    }
}
