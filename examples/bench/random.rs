//! Random weights, the same in every process, that keep a network's values in range.

use candle::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};

/// Gives a tensor of any shape for every name.
struct Random;

/// A builder with random weights on a device.
pub(crate) fn weights(device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Random), DType::F32, device.clone())
}

/// Numbers from -1 to 1.
pub(crate) fn numbers(seed: &str) -> impl Iterator<Item = f32> {
    // FNV-1a, and a linear congruential generator of which the upper bits are used.
    let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let mut state = seed.bytes().fold(0x811c_9dc5, hash);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

impl SimpleBackend for Random {
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let count = s.elem_count();
        let values: Vec<f32> = match s.dims() {
            // The variance of the values stays: weights have that of 1 / inputs.
            [_, inputs @ ..] if !inputs.is_empty() => {
                let scale = (3.0 / inputs.iter().product::<usize>() as f32).sqrt();
                numbers(name).take(count).map(|value| scale * value).collect()
            }
            _ if name.ends_with("running_var") || name.ends_with("weight") => vec![1.0; count],
            _ => numbers(name).take(count).map(|value| 0.1 * value).collect(),
        };
        Tensor::from_vec(values, s, dev)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle::bail!("{name}: random weights need a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
