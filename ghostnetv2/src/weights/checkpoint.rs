//! A checkpoint in memory: named tensors that are numbers, and what is known of the network.

use super::{TimmConfig, format, infer, ledger::Ledger};
use crate::{Config, Error, GhostNet};
use candle::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The only tensors that may be left over: PyTorch's batch counters.
const IGNORED: &str = "num_batches_tracked";

/// Tensors, all f32 and finite, under the names of their file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    origin: String,
    tensors: Arc<BTreeMap<String, Tensor>>,
    config: Option<TimmConfig>,
}

impl Checkpoint {
    /// Reads a safetensors file that is in memory; `origin` names it in errors.
    ///
    /// f16, bf16 and f64 become f32. PyTorch's `num_batches_tracked` are dropped.
    ///
    /// # Errors
    /// Another format, a damaged file, tensors of integers, NaN or infinite weights, negative
    /// running variances.
    pub fn from_bytes(
        origin: impl Into<String>,
        bytes: &[u8],
        config: Option<TimmConfig>,
    ) -> Result<Self, Error> {
        let origin = origin.into();
        format::check(&origin, bytes)?;
        let file = SafeTensors::deserialize(bytes)
            .map_err(|source| Error::Safetensors { origin: origin.clone(), source })?;
        let mut tensors = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, view) in file.tensors() {
            if name.ends_with(IGNORED) {
                continue;
            }
            let Some(values) = to_f32(&view) else {
                let dtype = format!("{:?}", view.dtype());
                return Err(Error::Dtype { origin, tensor: name, dtype });
            };
            let bad = values.iter().filter(|v| !v.is_finite()).count();
            if bad > 0 {
                problems
                    .push(format!("{name}: {bad} of {} values are NaN or infinite", values.len()));
            } else if name.ends_with("running_var") && values.iter().any(|&v| v < 0.0) {
                problems.push(format!("{name}: negative variance"));
            }
            tensors.insert(name, Tensor::from_vec(values, view.shape(), &Device::Cpu)?);
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(Error::Values { origin, problems });
        }
        Ok(Self { origin, tensors: Arc::new(tensors), config })
    }

    /// Where it came from, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// What `config.json` says, where there is one.
    pub fn timm_config(&self) -> Option<&TimmConfig> {
        self.config.as_ref()
    }

    /// The network: as `config.json` says, else as names and shapes of the tensors tell.
    ///
    /// # Errors
    /// An architecture that this crate does not have, or tensors that tell of none.
    pub fn config(&self) -> Result<Config, Error> {
        let inferred = infer::config(&self.tensors);
        let Some(timm) = &self.config else {
            return inferred.ok_or_else(|| Error::Config {
                origin: self.origin.clone(),
                reason: "these are not the tensors of a GhostNet, V1 to V3: \
                         name its architecture, or use another file"
                    .into(),
            });
        };
        let mut config = timm.config()?;
        config.reparameterized = inferred.is_some_and(|c| c.reparameterized);
        Ok(config)
    }

    /// The number of classes of `classifier`, if there is one.
    pub fn classes(&self) -> Option<usize> {
        self.tensors.get("classifier.weight").and_then(|weight| weight.dims().first().copied())
    }

    /// Builds a network from these tensors: it must ask for each of them, and only for them.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with everything that is missing, unexpected or of another shape.
    pub fn load<M>(
        &self,
        dtype: DType,
        device: &Device,
        build: impl FnOnce(VarBuilder) -> candle::Result<M>,
    ) -> Result<M, Error> {
        let ledger = Ledger::new(self.tensors.clone());
        let model = build(ledger.var_builder(dtype, device));
        let mut mismatch = ledger.close();
        let model = model?;
        if mismatch.is_empty() {
            return Ok(model);
        }
        mismatch.origin.clone_from(&self.origin);
        mismatch.looks_like = infer::config(&self.tensors).map(|config| config.name());
        Err(Error::Mismatch(Box::new(mismatch)))
    }

    /// The classifier, with `config` or, without, what [`Checkpoint::config`] finds.
    ///
    /// # Errors
    /// As [`Checkpoint::config`] and [`Checkpoint::load`]; a `num_classes` that differs from the
    /// classifier's.
    pub fn ghostnet(&self, config: Option<&Config>, device: &Device) -> Result<GhostNet, Error> {
        let config = match config {
            Some(config) => config.clone(),
            None => self.config()?,
        };
        let told = self.config.as_ref().and_then(TimmConfig::num_classes);
        match (told, self.classes()) {
            (Some(told), Some(found)) if told != found => Err(Error::Config {
                origin: self.origin.clone(),
                reason: format!(
                    "config.json has num_classes {told}, classifier.weight has {found}: \
                     correct the one that is wrong"
                ),
            }),
            // Without a classifier to count, the load itself will name what is missing.
            (told, found) => {
                let classes = found.or(told).unwrap_or(1000);
                self.load(DType::F32, device, |vb| GhostNet::new(&config, classes, vb))
            }
        }
    }
}

fn to_f32(view: &TensorView) -> Option<Vec<f32>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => values(bytes, f32::from_le_bytes),
        Dtype::F16 => values(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => values(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::F64 => values(bytes, |b| f64::from_le_bytes(b) as f32),
        _ => return None,
    })
}

fn values<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| value(chunk)).collect()
}
