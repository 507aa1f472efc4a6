//! What a training step needs of a network, and how candle's gradients give it.

use candle::{DType, Result, Tensor, TensorId, Var};
use ghostnetv2::training::{Ranks, TrainingGraph, TrainingStep};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Tensors by their names in checkpoints, in an order that is the same in every run.
pub type Named<T> = BTreeMap<String, T>;

/// What came of a batch.
#[derive(Debug)]
pub struct Step {
    /// The loss, a scalar.
    pub loss: f64,
    /// Its gradient for each parameter that it depends on and that is not frozen.
    pub gradients: Named<Tensor>,
}

/// A network in training.
///
/// An implementation decides how gradients are computed; optimisers, schedules and checkpoints see
/// parameters and gradients by name only.
pub trait Network {
    /// All variables.
    fn vars(&self) -> &Vars;

    /// What an optimiser changes: weights, biases, scales and shifts.
    fn parameters(&self) -> &Named<Var> {
        &self.vars().parameters
    }

    /// What a step changes by itself: running means and variances of batch-norms.
    fn statistics(&self) -> &Named<Var> {
        &self.vars().statistics
    }

    /// From now on, batches are parts of larger ones, of which other ranks have the rest. What a
    /// step computes over a whole batch it then computes over that of all, if it can: the engine
    /// does; elsewhere batch-norms normalise each part by itself.
    fn set_ranks(&mut self, ranks: &Arc<dyn Ranks>);

    /// Runs a batch `[B, 3, H, W]` in training mode, and gives the loss that `objective` makes of
    /// the outputs and its gradients. The outputs are such that `objective` can call any
    /// differentiable candle operation on them. Parameters are not changed, statistics are. Where
    /// the network draws random numbers, they are a function of `seed`.
    ///
    /// # Errors
    /// An input that the network can't take, what `objective` says, a batch-norm over one value.
    fn step(
        &mut self,
        images: &Tensor,
        seed: u64,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step>;
}

impl<N: Network + ?Sized> Network for Box<N> {
    fn vars(&self) -> &Vars {
        (**self).vars()
    }

    fn set_ranks(&mut self, ranks: &Arc<dyn Ranks>) {
        (**self).set_ranks(ranks);
    }

    fn step(
        &mut self,
        images: &Tensor,
        seed: u64,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step> {
        (**self).step(images, seed, objective)
    }
}

/// The variables of a network, by what changes them.
#[derive(Clone, Debug)]
pub struct Vars {
    parameters: Named<Var>,
    statistics: Named<Var>,
    frozen: BTreeSet<String>,
    activations: DType,
}

impl Vars {
    /// Of all that a network was built from, running means and variances are told apart by their
    /// names. The `frozen` ones have no gradients.
    pub fn new(all: Named<Var>, frozen: BTreeSet<String>) -> Self {
        let (statistics, parameters) = all.into_iter().partition(|(name, _)| is_statistic(name));
        Self { parameters, statistics, frozen, activations: DType::F32 }
    }

    /// With maps of another type than f32 between layers.
    pub fn activations(mut self, dtype: DType) -> Self {
        self.activations = dtype;
        self
    }

    /// What maps between layers are stored in.
    pub fn stored(&self) -> DType {
        self.activations
    }

    /// Names of what stays as it is.
    pub fn frozen(&self) -> &BTreeSet<String> {
        &self.frozen
    }
}

/// Whether a tensor of this name is no parameter but what a batch-norm has seen.
pub fn is_statistic(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

/// A network whose gradients are candle's, on any device.
pub struct Autograd<F> {
    forward: F,
    vars: Vars,
}

impl<F: Fn(&Tensor, u64) -> Result<Vec<Tensor>>> Autograd<F> {
    /// A network whose outputs in training mode are `forward` of the images and a step's seed;
    /// `vars` are all that it was built from.
    pub fn new(vars: Vars, forward: F) -> Self {
        Self { forward, vars }
    }
}

impl<F: Fn(&Tensor, u64) -> Result<Vec<Tensor>>> Network for Autograd<F> {
    fn vars(&self) -> &Vars {
        &self.vars
    }

    fn set_ranks(&mut self, _: &Arc<dyn Ranks>) {}

    fn step(
        &mut self,
        images: &Tensor,
        seed: u64,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step> {
        let outputs = (self.forward)(&images.to_dtype(self.vars.activations)?, seed)?;
        let single = |output: &Tensor| output.to_dtype(DType::F32);
        let loss = objective(&outputs.iter().map(single).collect::<Result<Vec<_>>>()?)?;
        let mut found = loss.backward()?;
        let gradient = |(name, var): (&String, &Var)| {
            found.remove(var).map(|gradient| (name.clone(), gradient))
        };
        let gradients = self.parameters().iter().filter_map(gradient).collect();
        Ok(Step { loss: f64::from(loss.to_dtype(DType::F32)?.to_scalar::<f32>()?), gradients })
    }
}

/// A network whose passes are the engine's, in f32 on a CPU: many times faster than [`Autograd`].
pub struct OnEngine {
    graph: TrainingGraph,
    names: HashMap<TensorId, String>,
    vars: Vars,
}

impl OnEngine {
    /// A network that was built from `vars`; `graph` makes its graph, for the tensors that are
    /// to learn.
    ///
    /// # Errors
    /// What `graph` says.
    pub fn new(
        vars: Vars,
        graph: impl FnOnce(&HashSet<TensorId>) -> Result<TrainingGraph>,
    ) -> Result<Self> {
        let names: HashMap<TensorId, String> =
            vars.parameters.iter().map(|(name, var)| (var.id(), name.clone())).collect();
        let graph = graph(&names.keys().copied().collect())?;
        Ok(Self { graph, names, vars })
    }
}

impl Network for OnEngine {
    fn vars(&self) -> &Vars {
        &self.vars
    }

    fn set_ranks(&mut self, ranks: &Arc<dyn Ranks>) {
        self.graph.set_ranks(ranks.clone());
    }

    fn step(
        &mut self,
        images: &Tensor,
        seed: u64,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step> {
        let TrainingStep { loss, gradients } = self.graph.step(images, seed, objective)?;
        let named = |(id, gradient)| Some((self.names.get(&id)?.clone(), gradient));
        let gradients = gradients.into_iter().filter_map(named).collect();
        Ok(Step { loss: f64::from(loss.to_scalar::<f32>()?), gradients })
    }
}
