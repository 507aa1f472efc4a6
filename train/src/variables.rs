//! The variables of a network in training, by name.

use crate::network::{Named, Vars};
use candle::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Makes a variable of every tensor that a network asks for, and keeps them by name.
///
/// What is frozen comes to the network as a tensor that no gradient is computed for; it shares its
/// memory with the variable that is kept.
///
/// # Example
/// ```
/// use candle::{DType, Device};
/// use heads::Seeded;
/// use train::Variables;
/// # fn main() -> candle::Result<()> {
/// let start = Seeded::new(1).var_builder(DType::F32, &Device::Cpu);
/// let variables = Variables::new(start).freeze(["conv_stem"]);
/// let net = ghostnetv2::GhostNet::new(&ghostnetv2::Config::v2(0.5), 10, variables.builder())?;
/// assert!(variables.named().contains_key("classifier.weight"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Variables {
    start: VarBuilder<'static>,
    frozen: Vec<String>,
    frozen_norms: bool,
    activations: DType,
    made: Arc<Mutex<BTreeMap<String, Made>>>,
}

/// What a network was given.
#[derive(Clone, Debug)]
struct Made {
    var: Var,
    frozen: bool,
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables")
            .field("frozen", &self.frozen)
            .field("made", &self.made().len())
            .finish_non_exhaustive()
    }
}

impl Variables {
    /// Variables that start as `start` has them.
    pub fn new(start: VarBuilder<'static>) -> Self {
        let (frozen, activations) = (Vec::new(), start.dtype());
        Self { start, frozen, frozen_norms: false, activations, made: Arc::default() }
    }

    /// Freezes tensors whose names are one of `prefixes`, or begin with one and a dot. To be called
    /// before the network is built.
    pub fn freeze<S: Into<String>>(mut self, prefixes: impl IntoIterator<Item = S>) -> Self {
        self.frozen.extend(prefixes.into_iter().map(Into::into));
        self
    }

    /// Freezes norms or not: their running statistics, which batch-norms then normalise by, and
    /// their scales and shifts. To be called before the network is built.
    pub fn freeze_norms(mut self, frozen: bool) -> Self {
        self.frozen_norms = frozen;
        self
    }

    /// What the maps between layers are stored in, where it is not what the variables are: mixed
    /// precision. Weights, their gradients, batch-norms' statistics and the loss stay as they are.
    pub fn activations(mut self, dtype: DType) -> Self {
        self.activations = dtype;
        self
    }

    /// What to build a network from.
    pub fn builder(&self) -> VarBuilder<'static> {
        let (dtype, device) = (self.start.dtype(), self.start.device().clone());
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device)
    }

    /// Where they are.
    pub fn device(&self) -> &Device {
        self.start.device()
    }

    /// Whether the engine can train what is made of them: it computes in f32 on a CPU.
    pub(crate) fn on_engine(&self) -> bool {
        self.device().is_cpu() && self.activations == DType::F32
    }

    /// All that were asked for so far.
    pub fn named(&self) -> Named<Var> {
        Self::named_of(&self.made())
    }

    /// The same by what changes them.
    pub fn vars(&self) -> Vars {
        let made = self.made();
        let frozen = made.iter().filter(|(_, made)| made.frozen).map(|(name, _)| name.clone());
        Vars::new(Self::named_of(&made), frozen.collect()).activations(self.activations)
    }

    /// Prefixes that freeze nothing of what was asked for: most likely spelled wrongly.
    pub fn frozen_nothing(&self) -> Vec<&str> {
        let made = self.made();
        let idle = |prefix: &&String| !made.keys().any(|name| has_prefix(name, prefix));
        self.frozen.iter().filter(idle).map(String::as_str).collect()
    }

    fn named_of(made: &BTreeMap<String, Made>) -> Named<Var> {
        made.iter().map(|(name, made)| (name.clone(), made.var.clone())).collect()
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<String, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a tensor lies at or under a prefix of names.
pub fn has_prefix(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || prefix.is_empty())
}

/// Whether a tensor is a norm's: a running statistic, or a scale or shift of vectors. Convolutions
/// and linear layers have biases too, but weights of more axes, which are asked for first.
fn is_of_norm(name: &str, made: &BTreeMap<String, Made>) -> bool {
    let Some((layer, own)) = name.rsplit_once('.') else { return false };
    let weight = made.get(&format!("{layer}.weight"));
    let of_norm = weight.is_some_and(|weight| weight.var.rank() == 1);
    matches!(own, "running_mean" | "running_var") || of_norm && matches!(own, "weight" | "bias")
}

impl SimpleBackend for Variables {
    fn get(&self, s: Shape, name: &str, h: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let mut made = self.made();
        let found = match made.get(name) {
            Some(Made { var, .. }) if var.shape() != &s => {
                bail!("{name}: asked for as {:?} and as {:?}", var.dims(), s.dims())
            }
            Some(found) => found.clone(),
            None => {
                let start = self.start.get_with_hints(s, name, h)?;
                // A copy: it is going to be changed in place.
                let start = start.to_device(dev)?.to_dtype(dtype)?.copy()?;
                let var = Var::from_tensor(&start)?;
                made.insert(name.into(), Made { var: var.clone(), frozen: false });
                let frozen = self.frozen.iter().any(|prefix| has_prefix(name, prefix))
                    || self.frozen_norms && is_of_norm(name, &made);
                let new = Made { var, frozen };
                made.insert(name.into(), new.clone());
                new
            }
        };
        let Made { var, frozen } = found;
        Ok(if frozen { var.as_detached_tensor() } else { var.as_tensor().clone() })
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        bail!("{name}: a variable needs a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.start.contains_tensor(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_variables_have_no_gradient() -> Result<()> {
        let start = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let variables = Variables::new(start).freeze(["a", "nothing"]);
        let vb = variables.builder();
        let (a, ab) = (vb.get(2, "a.weight")?, vb.get(2, "ab.weight")?);
        let gradients = (a + ab)?.sum_all()?.backward()?;
        let named = variables.named();
        assert!(gradients.get(&named["a.weight"]).is_none());
        assert!(gradients.get(&named["ab.weight"]).is_some());
        assert_eq!(variables.frozen_nothing(), ["nothing"]);
        Ok(())
    }

    #[test]
    fn frozen_norms_leave_convolutions_alone() -> Result<()> {
        let start = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let variables = Variables::new(start).freeze_norms(true);
        let vb = variables.builder();
        let learns =
            |name, shape: &[usize]| Ok::<_, candle::Error>(vb.get(shape, name)?.is_variable());
        assert!(learns("conv.weight", &[2, 1, 1, 1])? && learns("conv.bias", &[2])?);
        for name in ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"] {
            assert!(!learns(name, &[2])?, "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_frozen_tensor_sees_what_is_loaded_into_its_variable() -> Result<()> {
        let variables = Variables::new(VarBuilder::zeros(DType::F32, &Device::Cpu)).freeze(["a"]);
        let a = variables.builder().get(2, "a")?;
        variables.named()["a"].set(&Tensor::new(&[1f32, 2.0], &Device::Cpu)?)?;
        assert_eq!(a.to_vec1::<f32>()?, [1.0, 2.0]);
        Ok(())
    }
}
