//! What a training step needs of a network, and how candle's gradients give it.

use candle::{Result, Tensor, Var};
use std::collections::BTreeMap;

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
    /// What an optimiser changes: weights, biases, scales and shifts.
    fn parameters(&self) -> &Named<Var>;

    /// What a step changes by itself: running means and variances of batch-norms.
    fn statistics(&self) -> &Named<Var>;

    /// Runs a batch `[B, 3, H, W]` in training mode, and gives the loss that `objective` makes of
    /// the outputs and its gradients. The outputs are such that `objective` can call any
    /// differentiable candle operation on them. Parameters are not changed, statistics are.
    ///
    /// # Errors
    /// An input that the network can't take, what `objective` says, a batch-norm over one value.
    fn step(
        &mut self,
        images: &Tensor,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step>;
}

impl<N: Network + ?Sized> Network for Box<N> {
    fn parameters(&self) -> &Named<Var> {
        (**self).parameters()
    }

    fn statistics(&self) -> &Named<Var> {
        (**self).statistics()
    }

    fn step(
        &mut self,
        images: &Tensor,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step> {
        (**self).step(images, objective)
    }
}

/// A network whose gradients are candle's, on any device.
pub struct Autograd<F> {
    forward: F,
    parameters: Named<Var>,
    statistics: Named<Var>,
}

impl<F: Fn(&Tensor) -> Result<Vec<Tensor>>> Autograd<F> {
    /// A network whose outputs in training mode are `forward` of the images; `variables` are all
    /// that it was built from, of which running means and variances are told apart by their names.
    pub fn new(variables: Named<Var>, forward: F) -> Self {
        let (statistics, parameters) =
            variables.into_iter().partition(|(name, _)| is_statistic(name));
        Self { forward, parameters, statistics }
    }
}

/// Whether a tensor of this name is no parameter but what a batch-norm has seen.
pub fn is_statistic(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

impl<F: Fn(&Tensor) -> Result<Vec<Tensor>>> Network for Autograd<F> {
    fn parameters(&self) -> &Named<Var> {
        &self.parameters
    }

    fn statistics(&self) -> &Named<Var> {
        &self.statistics
    }

    fn step(
        &mut self,
        images: &Tensor,
        objective: &mut dyn FnMut(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Step> {
        let loss = objective(&(self.forward)(images)?)?;
        let mut found = loss.backward()?;
        let gradient = |(name, var): (&String, &Var)| {
            found.remove(var).map(|gradient| (name.clone(), gradient))
        };
        let gradients = self.parameters.iter().filter_map(gradient).collect();
        Ok(Step {
            loss: f64::from(loss.to_dtype(candle::DType::F32)?.to_scalar::<f32>()?),
            gradients,
        })
    }
}
