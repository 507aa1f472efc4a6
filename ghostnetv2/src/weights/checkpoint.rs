//! A checkpoint: named tensors that are numbers, and what is known of the network.

use super::{TimmConfig, file::TensorFile, infer, ledger::Ledger};
use crate::plan::Plan;
use crate::{Config, Error, GhostNet, PlanOptions};
use candle::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use std::borrow::Cow;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

/// The tensors of a safetensors file, read as f32 when they are asked for; see [`Checkpoint::plan`]
/// and [`Checkpoint::ghostnet`].
///
/// f16, bf16 and f64 become f32. PyTorch's `num_batches_tracked` are dropped. Names of the authors'
/// releases in PyTorch, and what wraps around names in training (`module.`), are read as timm's.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    file: Arc<TensorFile>,
    config: Option<TimmConfig>,
}

impl Checkpoint {
    /// Opens a safetensors file that is in memory; `origin` names it in errors.
    ///
    /// # Errors
    /// Another format, a damaged file, tensors of integers.
    pub fn from_bytes(
        origin: impl Into<String>,
        bytes: impl Into<Cow<'static, [u8]>>,
        config: Option<TimmConfig>,
    ) -> Result<Self, Error> {
        let file = Arc::new(TensorFile::in_memory(origin.into(), bytes.into())?);
        Ok(Self { file, config })
    }

    /// Opens a safetensors file, which must not change as long as the checkpoint is used.
    ///
    /// # Errors
    /// As [`Checkpoint::from_bytes`]; a file that can't be read.
    pub fn open(path: &Path, config: Option<TimmConfig>) -> Result<Self, Error> {
        Ok(Self { file: Arc::new(TensorFile::open(path)?), config })
    }

    /// Where it came from, for messages.
    pub fn origin(&self) -> &str {
        self.file.origin()
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.names()
    }

    /// A tensor, `None` where there is none of that name.
    ///
    /// # Errors
    /// NaN or infinite values, negative running variances; a file that can't be read any more.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, Error> {
        match (self.file.read(name)?, self.file.dims(name)) {
            (Some(values), Some(dims)) => Ok(Some(Tensor::from_vec(values, dims, &Device::Cpu)?)),
            _ => Ok(None),
        }
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
        let inferred = infer::config(&self.file);
        let Some(timm) = &self.config else {
            return inferred.ok_or_else(|| Error::Config {
                origin: self.origin().into(),
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
        self.file.dims("classifier.weight").and_then(|dims| dims.first().copied())
    }

    /// Builds a network from these tensors: it must ask for each of them, and only for them.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with everything that is missing, unexpected or of another shape;
    /// [`Error::Values`] with everything that is NaN, infinite, or a negative running variance.
    pub fn load<M>(
        &self,
        dtype: DType,
        device: &Device,
        build: impl FnOnce(VarBuilder) -> candle::Result<M>,
    ) -> Result<M, Error> {
        self.load_part(|_| true, dtype, device, build)
    }

    /// As [`Checkpoint::load`], but tensors whose names `needed` refuses may be left over.
    ///
    /// # Errors
    /// As there.
    pub fn load_part<M>(
        &self,
        needed: impl Fn(&str) -> bool,
        dtype: DType,
        device: &Device,
        build: impl FnOnce(VarBuilder) -> candle::Result<M>,
    ) -> Result<M, Error> {
        let ledger = Ledger::new(self.file.clone());
        let model = build(ledger.var_builder(dtype, device));
        self.close(ledger, needed, model)
    }

    /// What was built, unless the checkpoint is not what it needs.
    fn close<M>(
        &self,
        ledger: Ledger,
        needed: impl Fn(&str) -> bool,
        model: candle::Result<M>,
    ) -> Result<M, Error> {
        match (ledger.close(needed), model) {
            (Ok(()), model) => Ok(model?),
            (Err(Error::Mismatch(_)), Err(error)) => Err(error.into()),
            (Err(Error::Mismatch(mut mismatch)), Ok(_)) => {
                mismatch.origin = self.origin().into();
                mismatch.looks_like = infer::config(&self.file).map(|config| config.name());
                Err(Error::Mismatch(mismatch))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The classifier, with `config` or, without, what [`Checkpoint::config`] finds.
    ///
    /// # Errors
    /// As [`Checkpoint::config`] and [`Checkpoint::load`]; a `num_classes` that differs from the
    /// classifier's.
    pub fn ghostnet(&self, config: Option<&Config>, device: &Device) -> Result<GhostNet, Error> {
        let (config, classes) = self.architecture(config)?;
        self.load(DType::F32, device, |vb| GhostNet::new(&config, classes, vb))
    }

    /// The classifier as a plan for a CPU, laid out for inputs of `shape`. The network's tensors
    /// are read, folded and packed block by block, and never are in memory all together.
    ///
    /// # Errors
    /// As [`Checkpoint::ghostnet`] and [`GhostNet::plan`].
    pub fn plan(
        &self,
        config: Option<&Config>,
        shape: &[usize; 4],
        options: &PlanOptions,
    ) -> Result<Plan, Error> {
        let (config, classes) = self.architecture(config)?;
        keep_freed_memory(self.file.largest());
        let ledger = Ledger::strict(self.file.clone());
        let vb = ledger.var_builder(DType::F32, &Device::Cpu);
        let plan = GhostNet::plan_from(&config, classes, vb, shape, options);
        if ledger.has_misfits() {
            // A name can ask for a network of gigabytes, which is not packed to be refused: candle's
            // tensors of zeros cost nothing, and tell of all that does not fit.
            self.ghostnet(Some(&config), &Device::Cpu)?;
        }
        self.close(ledger, |_| true, plan)
    }

    /// `config` or what is found, and the number of classes.
    fn architecture(&self, config: Option<&Config>) -> Result<(Config, usize), Error> {
        let config = match config {
            Some(config) => config.clone(),
            None => self.config()?,
        };
        let told = self.config.as_ref().and_then(TimmConfig::num_classes);
        match (told, self.classes()) {
            (Some(told), Some(found)) if told != found => Err(Error::Config {
                origin: self.origin().into(),
                reason: format!(
                    "config.json has num_classes {told}, classifier.weight has {found}: \
                     correct the one that is wrong"
                ),
            }),
            // Without a classifier to count, the load itself will name what is missing.
            (told, found) => Ok((config, found.or(told).unwrap_or(1000))),
        }
    }
}

/// The most that glibc can be told so.
const MOST_KEPT: usize = 32 << 20;

/// Lets tensors that come use the memory of those that went.
///
/// glibc gives large blocks back to the system until it has freed one of `bytes`, which tells it
/// that more will follow. Pages that are made anew for every tensor take longer than reading it.
fn keep_freed_memory(bytes: usize) {
    drop(black_box(Vec::<u8>::with_capacity(bytes.min(MOST_KEPT))));
}
