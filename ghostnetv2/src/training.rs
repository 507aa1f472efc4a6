//! Networks in training on a CPU: candle's weights and losses, the engine's passes.
//!
//! Each block writes its operations into a [`TrainingBuilder`], as it does for a plan, but with
//! batch-norms as they are: a [`TrainingGraph`]. Its [`step`](TrainingGraph::step) gives the same
//! gradients as candle's `backward` on the block's `forward_t`, many times faster.

use crate::batch_norm::{BatchNorm2d, MOMENTUM};
use candle::{
    CpuStorage, DType, Device, Error, Layout, Result, Storage, Tensor, TensorId, Var, bail,
};
use engine::plan::{Activation, Window};
use engine::training::{BatchNorm, Graph, GraphBuilder, Memory, Parameter, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use engine::training::Ranks;

/// Takes the operations of a network one by one, with the tensors that its layers hold.
pub struct TrainingBuilder<'a> {
    /// For operations without weights.
    pub net: GraphBuilder,
    tensors: Vec<Tensor>,
    known: HashMap<TensorId, Parameter>,
    learning: &'a HashSet<TensorId>,
}

impl<'a> TrainingBuilder<'a> {
    /// A network whose input has `channels` channels, and that input. Gradients are computed for
    /// the tensors in `learning`.
    pub fn new(channels: usize, learning: &'a HashSet<TensorId>) -> (Self, Value) {
        let (net, x) = GraphBuilder::new(channels);
        (Self { net, tensors: Vec::new(), known: HashMap::new(), learning }, x)
    }

    /// A tensor that layers hold; one that several hold is one parameter.
    fn parameter(&mut self, tensor: &Tensor) -> Result<Parameter> {
        if !tensor.device().is_cpu() || tensor.dtype() != DType::F32 {
            bail!(
                "a weight of type {:?} on {:?}: training on the engine is for f32 on a CPU",
                tensor.dtype(),
                tensor.device().location()
            )
        }
        let (net, tensors) = (&mut self.net, &mut self.tensors);
        let learns = self.learning.contains(&tensor.id());
        Ok(*self.known.entry(tensor.id()).or_insert_with(|| {
            tensors.push(tensor.clone());
            net.parameter(tensor.elem_count(), learns)
        }))
    }

    /// A convolution: `weight` is `[O, C, KH, KW]`, or `[C, 1, KH, KW]` where `depthwise`.
    ///
    /// # Errors
    /// Tensors that do not fit.
    pub fn conv(
        &mut self,
        x: Value,
        window: Window,
        depthwise: bool,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Value> {
        let outputs = weight.dim(0)?;
        let weight = self.parameter(weight)?;
        let bias = bias.map(|bias| self.parameter(bias)).transpose()?;
        let y = match depthwise {
            true => self.net.depthwise(x, window, weight, bias),
            false => self.net.conv(x, window, outputs, weight, bias),
        };
        y.map_err(Error::wrap)
    }

    /// A batch-norm, and a ReLU behind it where `relu`.
    ///
    /// # Errors
    /// Another number of channels.
    pub fn batch_norm(&mut self, x: Value, norm: &BatchNorm2d, relu: bool) -> Result<Value> {
        let ([weight, bias, running_mean, running_var], epsilon) = norm.parts();
        let norm = BatchNorm {
            scale: self.parameter(weight)?,
            shift: self.parameter(bias)?,
            mean: self.parameter(running_mean)?,
            variance: self.parameter(running_var)?,
            epsilon: epsilon as f32,
            frozen: norm.is_frozen(),
        };
        self.net.batch_norm(x, norm, relu).map_err(Error::wrap)
    }

    /// A group normalisation with tensors `[C]`.
    ///
    /// # Errors
    /// Tensors that do not fit.
    pub fn group_norm(
        &mut self,
        x: Value,
        groups: usize,
        (weight, bias): (&Tensor, &Tensor),
        epsilon: f64,
    ) -> Result<Value> {
        let affine = (self.parameter(weight)?, self.parameter(bias)?);
        self.net.group_norm(x, groups, affine, epsilon as f32).map_err(Error::wrap)
    }

    /// A ReLU.
    ///
    /// # Errors
    /// A value of another network.
    pub fn relu(&mut self, x: Value) -> Result<Value> {
        self.net.activation(x, Activation::Relu).map_err(Error::wrap)
    }

    /// The finished graph, which gives `outputs` in this order; those in `vectors` as `[B, C]`.
    pub fn build(self, outputs: &[Value], vectors: bool) -> TrainingGraph {
        let graph = self.net.build(outputs);
        TrainingGraph { graph, tensors: self.tensors, vectors, memory: Memory::default() }
    }
}

/// A network in training on a CPU; it holds the tensors that its layers hold, and sees what an
/// optimiser makes of them.
pub struct TrainingGraph {
    graph: Graph,
    tensors: Vec<Tensor>,
    /// Whether outputs are `[B, C]`.
    vectors: bool,
    memory: Memory,
}

/// What came of a batch.
#[derive(Debug)]
pub struct TrainingStep {
    /// The loss.
    pub loss: Tensor,
    /// Its gradients for the tensors that learn.
    pub gradients: HashMap<TensorId, Tensor>,
}

impl TrainingGraph {
    /// From now on, batches are parts of larger ones, of which other ranks have the rest:
    /// batch-norms normalise by the means and variances of the whole, and dropout drops what it
    /// would of the whole.
    pub fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) {
        self.graph.set_ranks(ranks);
    }

    /// Runs a batch `[B, C, H, W]`, and gives the loss that `objective` makes of the outputs, and
    /// its gradients. The running statistics of batch-norms that are not frozen follow the batch. What dropout drops
    /// is a function of `seed`.
    ///
    /// # Errors
    /// An input that the network can't take, a batch-norm over one value, what `objective` says.
    pub fn step(
        &self,
        images: &Tensor,
        seed: u64,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<TrainingStep> {
        let (b, c, h, w) = images.dims4()?;
        let guards: Vec<_> = self.tensors.iter().map(|t| t.storage_and_layout()).collect();
        let slices = guards.iter().map(|(storage, layout)| slice(storage, layout));
        let parameters: Vec<&[f32]> = slices.collect::<Result<_>>()?;
        let images = images.contiguous()?;
        let pass = {
            let (storage, layout) = images.storage_and_layout();
            let images = slice(&storage, layout)?;
            self.graph.forward(&self.memory, [b, c, h, w], images, &parameters, seed)
        };
        let pass = pass.map_err(Error::wrap)?;
        let outputs = (0..self.graph.output_count()).map(|output| {
            let shape = pass.output_shape(output);
            let dims = match self.vectors {
                true => vec![shape.batch, shape.channels],
                false => vec![shape.batch, shape.channels, shape.height, shape.width],
            };
            Var::from_vec(pass.output(output), dims, &Device::Cpu)
        });
        let outputs: Vec<Var> = outputs.collect::<Result<_>>()?;
        let seen: Vec<Tensor> = outputs.iter().map(|output| output.as_tensor().clone()).collect();
        let loss = objective(&seen)?;
        let found = loss.backward()?;
        let outer = outputs.iter().map(|output| match found.get(output) {
            Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>(),
            None => Ok(Vec::new()),
        });
        let outer: Vec<Vec<f32>> = outer.collect::<Result<_>>()?;
        let outer: Vec<&[f32]> = outer.iter().map(Vec::as_slice).collect();
        let statistics = pass.statistics().to_vec();
        let gradients = pass.backward(&outer).map_err(Error::wrap)?;
        drop(guards);

        for seen in statistics {
            let (mean, variance) = seen.parameters;
            self.follow(mean, seen.mean)?;
            self.follow(variance, seen.variance)?;
        }
        let tensors = self.tensors.iter().zip(gradients);
        let gradients = tensors.filter_map(|(tensor, gradient)| {
            let gradient = Tensor::from_vec(gradient?, tensor.shape(), &Device::Cpu);
            Some(gradient.map(|gradient| (tensor.id(), gradient)))
        });
        Ok(TrainingStep { loss: loss.detach(), gradients: gradients.collect::<Result<_>>()? })
    }

    /// Moves a running statistic towards a batch's.
    fn follow(&self, parameter: Parameter, batch: Vec<f32>) -> Result<()> {
        let running = &self.tensors[parameter.index()];
        let batch = Tensor::from_vec(batch, running.shape(), &Device::Cpu)?;
        let moved = ((running.detach() * (1.0 - MOMENTUM))? + (batch * MOMENTUM)?)?;
        Var::from_tensor(running)?.set(&moved)
    }
}

/// A tensor's own memory.
fn slice<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("training on the engine: expected contiguous f32 tensors on a CPU"),
    }
}
