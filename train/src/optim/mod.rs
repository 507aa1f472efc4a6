//! Optimisers: PyTorch's and timm's numbers, one pass over memory for each parameter.

mod adamw;
mod groups;
mod norm;
mod rmsprop;
mod sgd;

pub use adamw::AdamW;
pub use groups::Groups;
pub use norm::{clip_factor, global_norm};
pub use rmsprop::RmsPropTf;
pub use sgd::Sgd;

use crate::flat;
use crate::network::Named;
use candle::{Device, Result, Tensor, Var, bail};
use serde::{Deserialize, Serialize};

/// Which optimiser, and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "optimizer")]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam with weight decay that is no part of the gradient.
    AdamW(AdamW),
    /// RMSprop as TensorFlow has it.
    RmsPropTf(RmsPropTf),
}

/// What an update knows besides the parameter and its gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// Updates so far, this one included.
    pub(crate) count: u64,
    pub(crate) rate: f64,
    pub(crate) decay: f64,
    /// What the gradient is to be multiplied by.
    pub(crate) scale: f64,
}

/// One optimiser's arithmetic, on flat numbers and on tensors.
trait Update {
    /// Names of the state tensors of a parameter, and what they begin with.
    fn slots(&self) -> Vec<(&'static str, f32)>;

    /// Changes pieces of a parameter and of its state.
    fn flat(&self, at: At) -> impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync;

    /// The same on any device: gives the new parameter, and puts the new state in its place.
    fn tensors(&self, at: At, w: &Tensor, g: &Tensor, slots: &mut [Tensor]) -> Result<Tensor>;
}

/// An optimiser with the state of each parameter that it has updated.
///
/// On the CPU an update is one parallel pass over parameter, gradient and state; its bits do not
/// depend on the number of threads. On other devices it is made of candle's operations.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Groups,
    count: u64,
    state: Named<State>,
}

/// The state of one parameter.
#[derive(Debug)]
enum State {
    Flat(Vec<Vec<f32>>),
    Tensors(Vec<Tensor>),
}

impl Optimizer {
    /// An optimiser that has seen nothing.
    pub fn new(rule: Rule, groups: Groups) -> Self {
        Self { rule, groups, count: 0, state: Named::new() }
    }

    /// Moves each parameter that has a gradient. `rate` is the learning rate, and gradients are
    /// multiplied by `scale` first: what clipping asks for, or 1.
    ///
    /// # Errors
    /// A gradient without a parameter or of another shape, parameters that are not f32.
    pub fn step(
        &mut self,
        parameters: &Named<Var>,
        gradients: &Named<Tensor>,
        rate: f64,
        scale: f64,
    ) -> Result<()> {
        self.count += 1;
        for (name, gradient) in gradients {
            let Some(parameter) = parameters.get(name) else {
                bail!("{name}: a gradient without a parameter")
            };
            if parameter.dims() != gradient.dims() {
                let (expected, found) = (parameter.dims(), gradient.dims());
                bail!("{name}: a gradient of shape {found:?}, expected {expected:?}")
            }
            let decay = self.groups.decay(name, parameter.dims());
            let rate = rate * self.groups.factor(name);
            let at = At { count: self.count, rate, decay, scale };
            match self.rule {
                Rule::Sgd(rule) => self.update(&rule, at, name, parameter, gradient)?,
                Rule::AdamW(rule) => self.update(&rule, at, name, parameter, gradient)?,
                Rule::RmsPropTf(rule) => self.update(&rule, at, name, parameter, gradient)?,
            }
        }
        Ok(())
    }

    fn update(
        &mut self,
        rule: &impl Update,
        at: At,
        name: &str,
        parameter: &Var,
        gradient: &Tensor,
    ) -> Result<()> {
        if !self.state.contains_key(name) {
            self.state.insert(name.into(), State::new(&rule.slots(), parameter)?);
        }
        match self.state.get_mut(name) {
            Some(State::Flat(slots)) => flat::change(parameter, gradient, slots, rule.flat(at)),
            Some(State::Tensors(slots)) => {
                let gradient = (gradient * at.scale)?;
                let new = rule.tensors(at, &parameter.as_detached_tensor(), &gradient, slots)?;
                parameter.set(&new)
            }
            None => bail!("{name}: no state"),
        }
    }

    fn slot_names(&self) -> Vec<(&'static str, f32)> {
        match self.rule {
            Rule::Sgd(rule) => rule.slots(),
            Rule::AdamW(rule) => rule.slots(),
            Rule::RmsPropTf(rule) => rule.slots(),
        }
    }

    /// Updates so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All state, under names such as `momentum.conv_stem.weight`, on the CPU.
    ///
    /// # Errors
    /// What candle says.
    pub fn state(&self, parameters: &Named<Var>) -> Result<Named<Tensor>> {
        let mut named = Named::new();
        for (name, state) in &self.state {
            let Some(parameter) = parameters.get(name) else { bail!("{name}: no parameter") };
            for (i, (slot, _)) in self.slot_names().iter().enumerate() {
                let tensor = match state {
                    State::Flat(slots) => {
                        Tensor::from_slice(&slots[i], parameter.shape(), &Device::Cpu)?
                    }
                    State::Tensors(slots) => slots[i].to_device(&Device::Cpu)?,
                };
                named.insert(format!("{slot}.{name}"), tensor);
            }
        }
        Ok(named)
    }

    /// Goes on with a state that [`Optimizer::state`] gave after `count` updates.
    ///
    /// # Errors
    /// State of no parameter of these, or of another shape.
    pub fn restore(
        &mut self,
        count: u64,
        state: &Named<Tensor>,
        parameters: &Named<Var>,
    ) -> Result<()> {
        let slots = self.slot_names();
        let mut used = 0;
        self.state.clear();
        for (name, parameter) in parameters {
            let saved = slots.iter().filter_map(|(slot, _)| state.get(&format!("{slot}.{name}")));
            let saved: Vec<&Tensor> = saved.collect();
            if saved.is_empty() {
                continue;
            }
            if saved.len() != slots.len() || saved.iter().any(|t| t.dims() != parameter.dims()) {
                bail!("{name}: the optimiser's state has other tensors than this optimiser")
            }
            used += saved.len();
            let state = match parameter.device().is_cpu() {
                true => State::Flat(
                    saved.iter().map(|t| t.flatten_all()?.to_vec1()).collect::<Result<_>>()?,
                ),
                false => {
                    let place = |t: &&Tensor| t.to_device(parameter.device());
                    State::Tensors(saved.iter().map(place).collect::<Result<_>>()?)
                }
            };
            self.state.insert(name.clone(), state);
        }
        if used != state.len() {
            bail!("{} tensors of the optimiser's state belong to no parameter", state.len() - used)
        }
        self.count = count;
        Ok(())
    }
}

impl State {
    fn new(slots: &[(&str, f32)], parameter: &Var) -> Result<Self> {
        if parameter.device().is_cpu() {
            let count = parameter.elem_count();
            return Ok(Self::Flat(slots.iter().map(|&(_, start)| vec![start; count]).collect()));
        }
        let full =
            |&(_, start): &(&str, f32)| Tensor::full(start, parameter.shape(), parameter.device());
        Ok(Self::Tensors(slots.iter().map(full).collect::<Result<_>>()?))
    }
}
