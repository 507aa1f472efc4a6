//! The operations of a network, with packed weights and without sizes.

use super::{PlanError, PlanOptions, Precision};
use crate::buffer::Store;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::pack::{Filters, Matrix};

/// A map or vector inside a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) usize);

/// What a node computes; see the methods of [`NetworkBuilder`].
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

    fn check(&self, operation: &'static str) -> Result<(), PlanError> {
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

/// Takes the operations of a network one by one, checks that they fit, and packs their weights.
///
/// Weights come in the order of PyTorch and candle: `[out, in, kh, kw]`, `[channels, kh, kw]` for
/// depthwise filters, `[out, in]` for matrices.
#[derive(Debug)]
pub struct NetworkBuilder {
    network: Network,
    store: Store,
}

impl NetworkBuilder {
    /// A network whose input has `channels` channels, and that input.
    pub fn new(options: &PlanOptions, channels: usize) -> (Self, Value) {
        let isa = options.isa.unwrap_or_else(AnyIsa::best);
        let input = Node { op: Op::Input, channels, vector: false };
        let precision = options.precision;
        let network = Network { isa, precision, nodes: vec![input], outputs: Vec::new() };
        (Self { network, store: Store::default() }, Value(0))
    }

    /// The finished network, which gives `outputs` in this order.
    pub fn build(mut self, outputs: &[Value]) -> Network {
        self.network.outputs = outputs.to_vec();
        self.network
    }

    /// Channels of a value.
    pub fn channels(&self, value: Value) -> usize {
        self.node(value).channels
    }

    /// A dense convolution, and the only operation that reads the network's input.
    ///
    /// # Errors
    /// Weights that do not fit, an impossible window, no memory.
    pub fn conv(
        &mut self,
        x: Value,
        window: Window,
        (weights, bias): (&[f32], &[f32]),
        activation: Activation,
    ) -> Result<Value, PlanError> {
        window.check("conv")?;
        self.expect("conv", self.is_map(x) || x == Value(0), "a map")?;
        let (c, n) = (self.channels(x), bias.len());
        let taps = window.kernel.0 * window.kernel.1;
        PlanError::expect_len("weights of a convolution", n * c * taps, weights.len())?;
        // From [n, c, taps] to [n, taps, c]: the order in which a pixel's channels lie.
        let mut ordered = vec![0.0; weights.len()];
        for (from, to) in weights.chunks_exact(c * taps).zip(ordered.chunks_exact_mut(c * taps)) {
            for (channel, filter) in from.chunks_exact(taps).enumerate() {
                for (tap, value) in filter.iter().enumerate() {
                    to[tap * c + channel] = *value;
                }
            }
        }
        let isa = self.network.isa;
        let shape = (n, c * taps);
        let weights = Matrix::pack(&mut self.store, isa, Precision::F32, shape, &ordered, bias)?;
        Ok(self.push(Op::Conv { x, weights, window, activation }, n, false))
    }

    /// A 1x1 convolution, to which `add` is added before the activation.
    ///
    /// # Errors
    /// Operands or weights that do not fit, no memory.
    pub fn pointwise(
        &mut self,
        x: Value,
        (weights, bias): (&[f32], &[f32]),
        activation: Activation,
        add: Option<Value>,
    ) -> Result<Value, PlanError> {
        let n = bias.len();
        self.expect("pointwise", self.is_map(x), "a map")?;
        let fits = add.is_none_or(|add| self.is_map(add) && self.channels(add) == n);
        self.expect("pointwise", fits, "a map of the output's channels to add")?;
        let weights = self.matrix(x, weights, bias)?;
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
        weights: (&[f32], &[f32]),
        activation: Activation,
    ) -> Result<Value, PlanError> {
        window.check("depthwise")?;
        self.expect("depthwise", self.is_map(x), "a map")?;
        let channels = self.channels(x);
        let filters = self.filters(channels, window.kernel, weights)?;
        Ok(self.push(Op::Depthwise { x, filters, window, activation }, channels, false))
    }

    /// A ghost module with `channels` outputs: the primary features, a pointwise convolution of
    /// `x · scale`, and as many cheap ones as are left, a depthwise convolution (odd kernel,
    /// stride 1) of them.
    ///
    /// # Errors
    /// Operands or weights that do not fit, no memory.
    pub fn ghost(
        &mut self,
        (x, scale): (Value, Option<Value>),
        channels: usize,
        (weights, bias): (&[f32], &[f32]),
        (kernel, cheap): ((usize, usize), (&[f32], &[f32])),
        activation: Activation,
        join: Join,
    ) -> Result<Value, PlanError> {
        let primary = bias.len();
        self.expect("ghost", self.is_map(x), "a map")?;
        let fits = scale
            .is_none_or(|s| self.node(s).vector && self.channels(s) == self.channels(x));
        self.expect("ghost", fits, "a vector of the input's channels as scale")?;
        let fits = (primary..=2 * primary).contains(&channels);
        self.expect("ghost", fits, "one to two outputs for each primary channel")?;
        let odd = kernel.0 == kernel.1 && kernel.0 % 2 == 1;
        self.expect("ghost", odd, "a square cheap kernel of odd side")?;
        let fits = match join {
            Join::None => true,
            Join::Add(map) | Join::Gate(map) => {
                self.is_map(map) && self.channels(map) == channels
            }
        };
        self.expect("ghost", fits, "a map of the output's channels to join")?;
        let primary_weights = self.matrix(x, weights, bias)?;
        let cheap = self.filters(primary, kernel, cheap)?;
        let ghost = Ghost { x, scale, primary: primary_weights, cheap, activation, join, then: None };
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
        weights: (&[f32], &[f32]),
    ) -> Result<Value, PlanError> {
        window.check("depthwise")?;
        let channels = self.channels(ghost);
        let filters = self.filters(channels, window.kernel, weights)?;
        let last = ghost.0 + 1 == self.network.nodes.len();
        match self.network.nodes.last_mut() {
            Some(Node { op: Op::Ghost(module), .. }) if last && module.then.is_none() => {
                module.then = Some((filters, window));
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
        (weights, bias): (&[f32], &[f32]),
        (kw, horizontal): (usize, (&[f32], &[f32])),
        (kh, vertical): (usize, (&[f32], &[f32])),
    ) -> Result<Value, PlanError> {
        let n = bias.len();
        self.expect("dfc", self.is_map(x), "a map")?;
        self.expect("dfc", kw % 2 == 1 && kh % 2 == 1, "odd kernels")?;
        let weights = self.matrix(x, weights, bias)?;
        let horizontal = self.filters(n, (1, kw), horizontal)?;
        let vertical = self.filters(n, (kh, 1), vertical)?;
        Ok(self.push(Op::Dfc { x, weights, horizontal, vertical }, n, false))
    }

    /// Means of 2x2 windows with stride 2.
    ///
    /// # Errors
    /// An operand that is not a map.
    pub fn avg_pool2x2(&mut self, x: Value) -> Result<Value, PlanError> {
        self.expect("avg-pool", self.is_map(x), "a map")?;
        let channels = self.channels(x);
        Ok(self.push(Op::AvgPool2x2 { x }, channels, false))
    }

    /// The mean of all pixels: a vector.
    ///
    /// # Errors
    /// An operand that is not a map.
    pub fn global_pool(&mut self, x: Value) -> Result<Value, PlanError> {
        self.expect("global-pool", self.is_map(x), "a map")?;
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
        (weights, bias): (&[f32], &[f32]),
        activation: Activation,
    ) -> Result<Value, PlanError> {
        self.expect("linear", self.node(x).vector, "a vector")?;
        let weights = self.matrix(x, weights, bias)?;
        Ok(self.push(Op::Linear { x, weights, activation }, bias.len(), true))
    }

    fn node(&self, value: Value) -> &Node {
        &self.network.nodes[value.0]
    }

    /// Whether `value` is a map in the plan's own layout.
    fn is_map(&self, value: Value) -> bool {
        value != Value(0) && !self.node(value).vector
    }

    fn expect(
        &self,
        operation: &'static str,
        holds: bool,
        expected: &str,
    ) -> Result<(), PlanError> {
        let reason = || format!("expected {expected}");
        holds.then_some(()).ok_or_else(|| PlanError::Operands { operation, reason: reason() })
    }

    fn matrix(&mut self, x: Value, weights: &[f32], bias: &[f32]) -> Result<Matrix, PlanError> {
        let shape = (bias.len(), self.channels(x));
        let Network { isa, precision, .. } = self.network;
        Matrix::pack(&mut self.store, isa, precision, shape, weights, bias)
    }

    fn filters(
        &mut self,
        channels: usize,
        kernel: (usize, usize),
        (weights, bias): (&[f32], &[f32]),
    ) -> Result<Filters, PlanError> {
        Filters::pack(&mut self.store, self.network.isa, channels, kernel, weights, bias)
    }

    fn push(&mut self, op: Op, channels: usize, vector: bool) -> Value {
        self.network.nodes.push(Node { op, channels, vector });
        Value(self.network.nodes.len() - 1)
    }
}
