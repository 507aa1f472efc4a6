//! The twin of `scripts/formula.py`: weights from names and indices, to the bit.

use candle::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub(crate) fn fnv1a64(text: &str) -> u64 {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

pub(crate) fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in [-1, 1).
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let start = fnv1a64(name);
    let hash = move |i| splitmix64(start.wrapping_add(i)) >> 40;
    (0..count as u64).map(move |i| hash(i) as f32 * 2f32.powi(-23) - 1.0)
}

fn gain(name: &str) -> f64 {
    [("_rpr_", 0.25), ("ghost2", 0.5)]
        .iter()
        .find(|(part, _)| name.contains(part))
        .map_or(1.0, |g| g.1)
}

/// A picture, or whatever else has no rule of its own.
pub(crate) fn plain(name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    Tensor::from_vec(uniform(name, shape.elem_count()).collect(), shape, &Device::Cpu)
}

/// A weight of a network.
pub(crate) fn weight(name: &str, shape: &Shape) -> Result<Tensor> {
    let u = uniform(name, shape.elem_count());
    let values: Vec<f32> = match name.rsplit('.').next() {
        Some("running_mean" | "bias") => u.map(|u| 0.1 * u).collect(),
        Some("running_var") => u.map(|u| 1.0 + 0.5 * u).collect(),
        _ if shape.rank() == 1 => u.map(|u| 1.0 + 0.25 * u).collect(),
        _ => {
            let fan_in: usize = shape.dims()[1..].iter().product();
            let scale = (3.0 * gain(name) / fan_in as f64).sqrt() as f32;
            u.map(|u| u * scale).collect()
        }
    };
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Gives every tensor that a network asks for its formula values, and remembers it.
#[derive(Clone, Default)]
pub(crate) struct Formula {
    pub(crate) tensors: Arc<Mutex<BTreeMap<String, Tensor>>>,
    /// Weights are variables, so that they get gradients.
    pub(crate) trainable: bool,
    /// Running statistics are none, so that they stay as they are.
    pub(crate) frozen_norms: bool,
}

impl Formula {
    pub(crate) fn var_builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, Device::Cpu)
    }
}

impl SimpleBackend for Formula {
    fn get(&self, s: Shape, name: &str, _: Init, _: DType, _: &Device) -> Result<Tensor> {
        let tensor = weight(name, &s)?;
        let stays = self.frozen_norms && name.contains("running_");
        let tensor = match self.trainable && !stays {
            true => candle::Var::from_tensor(&tensor)?.as_tensor().clone(),
            false => tensor,
        };
        self.tensors.lock().unwrap().insert(name.into(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle::bail!("{name} has no shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
