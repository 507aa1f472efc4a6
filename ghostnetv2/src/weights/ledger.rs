//! A `VarBuilder` that keeps account of what the network asks for, so that all problems of a
//! checkpoint come out together and none is passed over.

use crate::error::Mismatch;
use candle::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Tensors of a checkpoint and what happened to them.
#[derive(Clone)]
pub(super) struct Ledger {
    tensors: Arc<BTreeMap<String, Tensor>>,
    account: Arc<Mutex<Account>>,
}

#[derive(Default)]
struct Account {
    used: BTreeSet<String>,
    mismatch: Mismatch,
}

impl Ledger {
    pub(super) fn new(tensors: Arc<BTreeMap<String, Tensor>>) -> Self {
        Self { tensors, account: Arc::default() }
    }

    pub(super) fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// What did not fit, with the tensors that nobody asked for.
    pub(super) fn close(self) -> Mismatch {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mismatch = std::mem::take(&mut account.mismatch);
        let unused = self.tensors.keys().filter(|name| !account.used.contains(*name));
        mismatch.unexpected = unused.cloned().collect();
        mismatch.missing.sort();
        mismatch.shapes.sort();
        mismatch
    }

    fn record(&self, entry: impl FnOnce(&mut Account)) {
        entry(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl SimpleBackend for Ledger {
    /// A tensor that is missing or of another shape is noted and zeros stand in for it, so that
    /// building goes on to the next problem; [`Ledger::close`] then fails the load.
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        self.record(|account| _ = account.used.insert(name.into()));
        match self.tensors.get(name) {
            Some(tensor) if tensor.shape() == &s => tensor.to_device(dev)?.to_dtype(dtype),
            Some(tensor) => {
                let shapes = (name.into(), s.dims().to_vec(), tensor.dims().to_vec());
                self.record(|account| account.mismatch.shapes.push(shapes));
                Tensor::zeros(s, dtype, dev)
            }
            None => {
                self.record(|account| account.mismatch.missing.push(name.into()));
                Tensor::zeros(s, dtype, dev)
            }
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, dev: &Device) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => self.get(tensor.shape().clone(), name, Init::Const(0.), dtype, dev),
            None => candle::bail!("no tensor {name}"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
