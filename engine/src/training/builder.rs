//! Builds graphs: checks that operands fit.

use super::graph::{BatchNorm, Extent, Graph, Node, Op, Parameter, Value};
use crate::isa::AnyIsa;
use crate::plan::{Activation, Interpolation, PlanError, Window};

/// Takes the operations of a network in training one by one.
///
/// Weights lie as PyTorch's and candle's: `[out, in, kh, kw]`, `[channels, 1, kh, kw]` where
/// depthwise, `[out, in]` for matrices.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// A network whose input has `channels` channels, and that input.
    pub fn new(channels: usize) -> (Self, Value) {
        let isa = AnyIsa::best();
        let graph = Graph {
            isa,
            nodes: Vec::new(),
            outputs: Vec::new(),
            parameters: Vec::new(),
            ranks: None,
        };
        let mut builder = Self { graph };
        let input = builder.push(Op::Input, channels);
        (builder, input)
    }

    /// A tensor of `len` elements, which has a gradient if it `learns`.
    pub fn parameter(&mut self, len: usize, learns: bool) -> Parameter {
        self.graph.parameters.push((len, learns));
        Parameter(self.graph.parameters.len() - 1)
    }

    /// Channels of a value; 0 for one of another builder.
    pub fn channels(&self, value: Value) -> usize {
        self.graph.nodes.get(value.0).map_or(0, |node| node.channels)
    }

    /// A dense convolution with `outputs` filters. On vectors, a fully connected layer.
    ///
    /// # Errors
    /// Weights that do not fit, an impossible window.
    pub fn conv(
        &mut self,
        x: Value,
        window: Window,
        outputs: usize,
        weight: Parameter,
        bias: Option<Parameter>,
    ) -> Result<Value, PlanError> {
        window.check("conv")?;
        let taps = window.kernel.0.saturating_mul(window.kernel.1);
        let inputs = self.channels(x);
        PlanError::expect("conv", inputs > 0 && outputs > 0, "at least one channel in and out")?;
        self.expect_len("weight", weight, outputs.saturating_mul(inputs).saturating_mul(taps))?;
        if let Some(bias) = bias {
            self.expect_len("bias", bias, outputs)?;
        }
        Ok(self.push(Op::Conv { x, window, weight, bias }, outputs))
    }

    /// A fully connected layer, or a pointwise convolution.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn linear(
        &mut self,
        x: Value,
        outputs: usize,
        weight: Parameter,
        bias: Option<Parameter>,
    ) -> Result<Value, PlanError> {
        self.conv(x, Window::same((1, 1), 1), outputs, weight, bias)
    }

    /// One filter for each channel.
    ///
    /// # Errors
    /// Weights that do not fit, an impossible window.
    pub fn depthwise(
        &mut self,
        x: Value,
        window: Window,
        weight: Parameter,
        bias: Option<Parameter>,
    ) -> Result<Value, PlanError> {
        window.check("depthwise")?;
        let taps = window.kernel.0.saturating_mul(window.kernel.1);
        let channels = self.channels(x);
        PlanError::expect("depthwise", channels > 0, "at least one channel")?;
        self.expect_len("weight", weight, channels.saturating_mul(taps))?;
        if let Some(bias) = bias {
            self.expect_len("bias", bias, channels)?;
        }
        Ok(self.push(Op::Depthwise { x, window, weight, bias }, channels))
    }

    /// A batch normalisation, and a ReLU behind it where `relu`.
    ///
    /// # Errors
    /// Parameters that do not fit.
    pub fn batch_norm(
        &mut self,
        x: Value,
        norm: BatchNorm,
        relu: bool,
    ) -> Result<Value, PlanError> {
        let channels = self.channels(x);
        for parameter in [norm.scale, norm.shift, norm.mean, norm.variance] {
            self.expect_len("batch-norm", parameter, channels)?;
        }
        Ok(self.push(Op::BatchNorm { x, norm, relu }, channels))
    }

    /// A group normalisation over `groups` runs of channels.
    ///
    /// # Errors
    /// Parameters that do not fit, groups that do not divide the channels.
    pub fn group_norm(
        &mut self,
        x: Value,
        groups: usize,
        (scale, shift): (Parameter, Parameter),
        epsilon: f32,
    ) -> Result<Value, PlanError> {
        let channels = self.channels(x);
        let divides = groups > 0 && channels.is_multiple_of(groups);
        PlanError::expect("group-norm", divides, "groups that divide the channels")?;
        self.expect_len("group-norm", scale, channels)?;
        self.expect_len("group-norm", shift, channels)?;
        Ok(self.push(Op::GroupNorm { x, groups, scale, shift, epsilon }, channels))
    }

    /// An activation of every element.
    ///
    /// # Errors
    /// A value of another builder.
    pub fn activation(&mut self, x: Value, activation: Activation) -> Result<Value, PlanError> {
        self.unary("activation", x, Op::Activation { x, activation })
    }

    /// Means over windows without dilation, over the pixels of the map in each, or over the zeros
    /// of the padding too.
    ///
    /// # Errors
    /// An impossible window.
    pub fn avg_pool(
        &mut self,
        x: Value,
        window: Window,
        count_padding: bool,
    ) -> Result<Value, PlanError> {
        window.check("avg-pool")?;
        PlanError::expect("avg-pool", window.dilation == 1, "a window without dilation")?;
        self.unary("avg-pool", x, Op::AvgPool { x, window, count_padding })
    }

    /// The mean of all pixels: a vector.
    ///
    /// # Errors
    /// A value of another builder.
    pub fn global_pool(&mut self, x: Value) -> Result<Value, PlanError> {
        self.unary("global-pool", x, Op::GlobalPool { x })
    }

    /// `x` times a map of any size, taken at the nearest pixel: attention, or with a vector a scale
    /// for each channel.
    ///
    /// # Errors
    /// Other channels.
    pub fn gate(&mut self, x: Value, gate: Value) -> Result<Value, PlanError> {
        let same = self.channels(x) == self.channels(gate);
        PlanError::expect("gate", same, "a map of the same channels")?;
        self.unary("gate", x, Op::Gate { x, gate })
    }

    /// The sum of two maps of the same shape.
    ///
    /// # Errors
    /// Other channels.
    pub fn add(&mut self, a: Value, b: Value) -> Result<Value, PlanError> {
        let same = self.channels(a) == self.channels(b);
        PlanError::expect("add", same, "a map of the same channels")?;
        self.unary("add", a, Op::Add { a, b })
    }

    /// The channels of maps of the same size, one behind the other; of the last only as many as
    /// make `channels`.
    ///
    /// # Errors
    /// No operand, or too few channels.
    pub fn concat(&mut self, parts: &[Value], channels: usize) -> Result<Value, PlanError> {
        let all: Vec<usize> = parts.iter().map(|part| self.channels(*part)).collect();
        let sum: usize = all.iter().sum();
        let whole = sum - all.last().copied().unwrap_or(0);
        let fits = !all.contains(&0) && channels > whole && channels <= sum;
        PlanError::expect("concat", fits, "maps with so many channels that only the last is cut")?;
        Ok(self.push(Op::Concat { parts: parts.to_vec() }, channels))
    }

    /// A map in the size of another value, or so many times its own.
    ///
    /// # Errors
    /// A factor of 0, a value of another builder.
    pub fn resize(
        &mut self,
        x: Value,
        like: Option<Value>,
        times: usize,
        interpolation: Interpolation,
    ) -> Result<Value, PlanError> {
        let extent = match like {
            Some(value) => Extent::Like(value),
            None => Extent::Times(times),
        };
        PlanError::expect("resize", like.is_some() || times > 0, "a factor of at least one")?;
        let known = like.is_none_or(|like| self.channels(like) > 0);
        PlanError::expect("resize", known, "the size of a value of this network")?;
        self.unary("resize", x, Op::Resize { x, extent, interpolation })
    }

    /// Elements, or whole channels of a picture, set to 0 with this probability, and the others
    /// enlarged to keep the mean.
    ///
    /// # Errors
    /// No probability below 1.
    pub fn dropout(
        &mut self,
        x: Value,
        probability: f32,
        whole_channels: bool,
    ) -> Result<Value, PlanError> {
        let fits = (0.0..1.0).contains(&probability);
        PlanError::expect("dropout", fits, "a probability from 0 to below 1")?;
        self.unary("dropout", x, Op::Dropout { x, probability, whole_channels })
    }

    /// The finished graph, which gives `outputs` in this order.
    pub fn build(mut self, outputs: &[Value]) -> Graph {
        let last = self.graph.nodes.len();
        for number in 0..last {
            let node = &self.graph.nodes[number];
            let (operands, (kept, own)) = (node.op.operands(), node.op.keeps());
            for operand in operands {
                self.graph.nodes[operand.0].last_use = number;
            }
            for value in kept {
                self.graph.nodes[value.0].kept = true;
            }
            self.graph.nodes[number].kept |= own;
        }
        for output in outputs {
            if let Some(node) = self.graph.nodes.get_mut(output.0) {
                node.last_use = last;
            }
        }
        self.graph.outputs = outputs.iter().copied().filter(|output| output.0 < last).collect();
        self.graph
    }

    fn unary(&mut self, operation: &'static str, x: Value, op: Op) -> Result<Value, PlanError> {
        let channels = self.channels(x);
        PlanError::expect(operation, channels > 0, "a value of this network")?;
        Ok(self.push(op, channels))
    }

    fn push(&mut self, op: Op, channels: usize) -> Value {
        let number = self.graph.nodes.len();
        let of_operands = op.operands().iter().any(|value| self.graph.nodes[value.0].learns);
        let own = op.parameters().iter().any(|parameter| self.graph.parameters[parameter.0].1);
        let learns = of_operands || own;
        self.graph.nodes.push(Node { op, channels, learns, kept: false, last_use: number });
        Value(number)
    }

    fn expect_len(
        &self,
        what: &'static str,
        parameter: Parameter,
        expected: usize,
    ) -> Result<(), PlanError> {
        let found = self.graph.parameters.get(parameter.0).map_or(0, |(len, _)| *len);
        PlanError::expect_len(what, expected, found)
    }
}
