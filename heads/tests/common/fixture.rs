//! Tensors that a script stored, as `scripts/fixture_models.py` tells: samples, and statistics over
//! all values.

use crate::formula::{fnv1a64, splitmix64};
use candle::{DType, Device, Result, Tensor};
use std::collections::HashMap;
use std::path::Path;

pub(crate) struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    /// `name` below the folder of this crate's fixtures.
    pub(crate) fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let file = folder.join(format!("{name}.safetensors"));
        Self(candle::safetensors::load(file, &Device::Cpu).unwrap())
    }

    pub(crate) fn tensor(&self, key: &str) -> &Tensor {
        self.0.get(key).unwrap_or_else(|| panic!("{key} is not in the fixture"))
    }

    /// Keys of the tensors whose names begin so, without their companions; sorted.
    pub(crate) fn keys(&self, start: &str) -> Vec<&str> {
        let own = |key: &&str| key.starts_with(start) && !key.ends_with(".stats");
        let mut keys: Vec<_> = self.0.keys().map(String::as_str).filter(own).collect();
        keys.retain(|key| !key.ends_with(".shape"));
        keys.sort_unstable();
        keys
    }

    /// All numbers of a tensor.
    pub(crate) fn numbers(&self, key: &str) -> Vec<f64> {
        self.tensor(key).to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The mean of the absolute values of a whole tensor.
    pub(crate) fn magnitude(&self, key: &str) -> f64 {
        self.numbers(&format!("{key}.stats"))[1]
    }

    /// Compares all that is known of a tensor; `rtol` and `atol` as in NumPy's `allclose`.
    pub(crate) fn check(&self, key: &str, found: &Tensor, rtol: f64, atol: f64) -> Result<()> {
        let shape = self.numbers(&format!("{key}.shape"));
        let dims: Vec<_> = found.dims().iter().map(|&d| d as f64).collect();
        assert_eq!(dims, shape, "{key}: shape");

        let values: Vec<f64> = found.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let samples = self.numbers(key);
        let start = fnv1a64(key);
        let close = |what: &str, found: f64, expected: f64| {
            let bound = atol + rtol * expected.abs();
            let off = (found - expected).abs();
            assert!(off <= bound, "{key}, {what}: {found} instead of {expected}");
            off / bound
        };
        let mut worst = 0f64;
        for (j, &expected) in samples.iter().enumerate() {
            let hash = splitmix64(start.wrapping_add(j as u64));
            let whole = samples.len() == values.len();
            let i = if whole { j } else { (hash % values.len() as u64) as usize };
            worst = worst.max(close(&format!("value {i}"), values[i], expected));
        }
        // scripts/prove_numbers.py reads it.
        println!("parity {key} {worst:.5}");
        let n = values.len() as f64;
        let stats = self.numbers(&format!("{key}.stats"));
        close("mean", values.iter().sum::<f64>() / n, stats[0]);
        close("mean size", values.iter().map(|v| v.abs()).sum::<f64>() / n, stats[1]);
        Ok(())
    }
}
