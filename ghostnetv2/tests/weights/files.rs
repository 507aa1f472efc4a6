//! Makes checkpoints of formula weights.

use crate::formula::Formula;
use candle::{DType, Tensor};
use ghostnetv2::{Config, GhostNet};
use std::collections::BTreeMap;

pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// The tensors of a small network.
pub(crate) fn tensors(config: &Config, classes: usize) -> Tensors {
    let formula = Formula::default();
    GhostNet::new(config, classes, formula.var_builder()).unwrap();
    formula.tensors.lock().unwrap().clone()
}

/// As a safetensors file of a type.
pub(crate) fn serialized(tensors: &Tensors, dtype: DType) -> Vec<u8> {
    let cast = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.to_dtype(dtype).unwrap());
    let tensors: BTreeMap<_, _> = tensors.iter().map(cast).collect();
    safetensors::serialize(tensors, None).unwrap()
}

/// One tensor of raw bytes.
pub(crate) fn raw(name: &str, dtype: safetensors::Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let view = safetensors::tensor::TensorView::new(dtype, shape.to_vec(), data).unwrap();
    safetensors::serialize([(name, view)], None).unwrap()
}
