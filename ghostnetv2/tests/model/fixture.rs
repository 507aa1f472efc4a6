//! Tensors that a script stored: shape, samples, and statistics over all values.

use crate::formula::{fnv1a64, splitmix64};
use candle::{DType, Device, Result, Tensor};
use std::collections::HashMap;
use std::path::Path;

pub(crate) struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    pub(crate) fn open(name: &str) -> Self {
        // From this crate or from one beside it, whose tests share this file.
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../ghostnetv2/tests/fixtures/models");
        let file = folder.join(format!("{name}.safetensors"));
        Self(candle::safetensors::load(file, &Device::Cpu).unwrap())
    }

    pub(crate) fn tensor(&self, key: &str) -> &Tensor {
        &self.0[key]
    }

    /// Keys of the stored tensors, without their companions.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|key| key.strip_suffix(".shape"))
    }

    /// Compares all that is known of a tensor; `rtol` and `atol` as in NumPy's `allclose`.
    pub(crate) fn check(&self, key: &str, found: &Tensor, rtol: f64, atol: f64) -> Result<()> {
        let shape: Vec<i64> = self.0[&format!("{key}.shape")].to_vec1()?;
        let dims: Vec<i64> = found.dims().iter().map(|&d| d as i64).collect();
        assert_eq!(dims, shape, "{key}: shape");

        let values: Vec<f32> = found.flatten_all()?.to_vec1()?;
        let samples = self.0[key].flatten_all()?.to_vec1::<f32>()?;
        let whole = key.starts_with("logits");
        let start = fnv1a64(key);
        let mut worst = 0f64;
        for (j, &expected) in samples.iter().enumerate() {
            let hash = splitmix64(start.wrapping_add(j as u64));
            let i = if whole { j } else { (hash % values.len() as u64) as usize };
            let (found, expected) = (f64::from(values[i]), f64::from(expected));
            let bound = atol + rtol * expected.abs();
            assert!((found - expected).abs() <= bound, "{key}[{i}]: {found} instead of {expected}");
            worst = worst.max((found - expected).abs() / bound);
        }
        // scripts/prove_numbers.py reads it.
        println!("parity {key} {worst:.5}");
        let stats: Vec<f64> = self.0[&format!("{key}.stats")].to_dtype(DType::F64)?.to_vec1()?;
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let mean_abs = values.iter().map(|&v| f64::from(v.abs())).sum::<f64>() / n;
        for (found, expected) in [(mean, stats[0]), (mean_abs, stats[1])] {
            let bound = atol + rtol * expected.abs();
            assert!((found - expected).abs() <= bound, "{key}: mean {found} instead of {expected}");
        }
        Ok(())
    }
}
