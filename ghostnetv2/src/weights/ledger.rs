//! A `VarBuilder` that keeps account of what the network asks for, so that all problems of a
//! checkpoint come out together and none is passed over.

use super::file::TensorFile;
use crate::Error;
use crate::error::Mismatch;
use candle::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Tensors of a checkpoint and what happened to them.
#[derive(Clone)]
pub(super) struct Ledger {
    file: Arc<TensorFile>,
    account: Arc<Mutex<Account>>,
    /// Whether a tensor that does not fit fails at once what is built.
    strict: bool,
}

#[derive(Default)]
struct Account {
    used: BTreeSet<String>,
    mismatch: Mismatch,
    /// Values that are none.
    problems: Vec<String>,
    /// What kept a tensor from being read.
    failure: Option<Error>,
}

impl Ledger {
    pub(super) fn new(file: Arc<TensorFile>) -> Self {
        Self { file, account: Arc::default(), strict: false }
    }

    /// A ledger for what is too costly to be built of zeros: it ends at the first tensor that is
    /// missing or of another shape.
    pub(super) fn strict(file: Arc<TensorFile>) -> Self {
        Self { strict: true, ..Self::new(file) }
    }

    /// Whether a tensor was missing or of another shape so far.
    pub(super) fn has_misfits(&self) -> bool {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        !(account.mismatch.missing.is_empty() && account.mismatch.shapes.is_empty())
    }

    pub(super) fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// What is wrong with the file: it can't be read, has values that are none, or does not fit,
    /// which tensors that are `needed` and that nobody asked for are part of.
    pub(super) fn close(self, needed: impl Fn(&str) -> bool) -> std::result::Result<(), Error> {
        let account = &mut *self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = account.failure.take() {
            return Err(failure);
        }
        if !account.problems.is_empty() {
            account.problems.sort();
            let problems = std::mem::take(&mut account.problems);
            return Err(Error::Values { origin: self.file.origin().into(), problems });
        }
        let mut mismatch = std::mem::take(&mut account.mismatch);
        let unused = self.file.names().filter(|name| needed(name) && !account.used.contains(*name));
        mismatch.unexpected = unused.map(str::to_owned).collect();
        mismatch.missing.sort();
        mismatch.shapes.sort();
        if mismatch.is_empty() { Ok(()) } else { Err(Error::Mismatch(Box::new(mismatch))) }
    }

    fn record(&self, entry: impl FnOnce(&mut Account)) {
        entry(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl SimpleBackend for Ledger {
    /// A tensor that is missing, of another shape or not of numbers is noted and zeros stand in
    /// for it, so that building goes on to the next problem; [`Ledger::close`] then fails the load.
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        self.record(|account| _ = account.used.insert(name.into()));
        match self.file.dims(name) {
            Some(dims) if dims == s.dims() => match self.file.read(name) {
                Ok(Some(values)) => {
                    return Tensor::from_vec(values, s, &Device::Cpu)?
                        .to_device(dev)?
                        .to_dtype(dtype);
                }
                Ok(None) => {}
                Err(Error::Values { problems, .. }) => {
                    self.record(|account| account.problems.extend(problems));
                }
                Err(failure) => {
                    let text = failure.to_string();
                    self.record(|account| account.failure = Some(failure));
                    candle::bail!("{text}")
                }
            },
            Some(dims) => {
                let shapes = (name.into(), s.dims().to_vec(), dims.to_vec());
                self.record(|account| account.mismatch.shapes.push(shapes));
            }
            None => self.record(|account| account.mismatch.missing.push(name.into())),
        }
        if self.strict && self.has_misfits() {
            candle::bail!("{}: {name} does not fit", self.file.origin())
        }
        Tensor::zeros(s, dtype, dev)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, dev: &Device) -> Result<Tensor> {
        match self.file.dims(name) {
            Some(dims) => self.get(dims.into(), name, Init::Const(0.), dtype, dev),
            None => candle::bail!("no tensor {name}"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.file.dims(name).is_some()
    }
}
