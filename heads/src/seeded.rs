//! Weights of networks that are not trained yet, the same for the same seed on every machine.

use candle::{DType, Device, Result, Shape, Tensor, bail};
use candle_nn::init::NormalOrUniform;
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use ghostnetv2::weights::Checkpoint;

/// Draws every tensor as its layer asks for, from its name and a seed: neither the order nor the
/// number of tensors matters, and candle's random numbers, which can't be seeded on a CPU, neither.
///
/// # Example
/// ```
/// use candle::{DType, Device};
/// use heads::Seeded;
/// use heads::retinanet::{RetinaNet, RetinaNetConfig};
/// # fn main() -> candle::Result<()> {
/// let vb = Seeded::new(7).var_builder(DType::F32, &Device::Cpu);
/// let detector = RetinaNet::ghostnet(&RetinaNetConfig::lite(), &ghostnetv2::Config::v2(1.), vb)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Seeded {
    seed: u64,
    known: Option<(String, Checkpoint)>,
}

impl Seeded {
    /// Everything is drawn.
    pub fn new(seed: u64) -> Self {
        Self { seed, known: None }
    }

    /// Tensors under a prefix, such as `backbone.body`, are taken from a checkpoint where it has
    /// them.
    pub fn with_known(self, prefix: impl Into<String>, checkpoint: Checkpoint) -> Self {
        Self { known: Some((prefix.into(), checkpoint)), ..self }
    }

    /// For networks.
    pub fn var_builder(self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, device.clone())
    }

    fn known(&self, name: &str) -> Result<Option<Tensor>> {
        let Some((prefix, checkpoint)) = &self.known else { return Ok(None) };
        match name.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => checkpoint.tensor(rest).map_err(candle::Error::wrap),
            None => Ok(None),
        }
    }

    fn drawn(&self, shape: &Shape, name: &str, init: Init) -> Result<Tensor> {
        let mut noise = Noise::new(self.seed, name);
        let count = shape.elem_count();
        let values: Vec<f32> = match init {
            Init::Const(value) => vec![value as f32; count],
            Init::Uniform { lo, up } => noise.uniform(count, lo, up),
            Init::Randn { mean, stdev } => noise.normal(count, mean, stdev),
            Init::Kaiming { dist, fan, non_linearity } => {
                let deviation = non_linearity.gain() / (fan.for_shape(shape).max(1) as f64).sqrt();
                let bound = 3f64.sqrt() * deviation;
                match dist {
                    NormalOrUniform::Uniform => noise.uniform(count, -bound, bound),
                    NormalOrUniform::Normal => noise.normal(count, 0.0, deviation),
                }
            }
        };
        Tensor::from_vec(values, shape, &Device::Cpu)
    }
}

impl SimpleBackend for Seeded {
    fn get(&self, s: Shape, name: &str, h: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let tensor = match self.known(name)? {
            Some(tensor) if tensor.shape() != &s => {
                bail!("{name}: expected {:?}, found {:?}", s.dims(), tensor.dims())
            }
            Some(tensor) => tensor,
            None => self.drawn(&s, name, h)?,
        };
        tensor.to_device(dev)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        bail!("{name}: a tensor that is to be drawn needs a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Random numbers of one tensor: splitmix64 over a hash of its name.
struct Noise(u64);

impl Noise {
    fn new(seed: u64, name: &str) -> Self {
        let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, step))
    }

    /// In [0, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    fn uniform(&mut self, count: usize, low: f64, high: f64) -> Vec<f32> {
        (0..count).map(|_| (low + (high - low) * self.next()) as f32).collect()
    }

    /// Box and Muller's way.
    fn normal(&mut self, count: usize, mean: f64, deviation: f64) -> Vec<f32> {
        let mut draw = || {
            let radius = (-2.0 * (1.0 - self.next()).ln()).sqrt();
            let angle = std::f64::consts::TAU * self.next();
            (mean + deviation * radius * angle.cos()) as f32
        };
        (0..count).map(|_| draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(seed: u64, name: &str, init: Init) -> Vec<f32> {
        let vb = Seeded::new(seed).var_builder(DType::F32, &Device::Cpu);
        let tensor = vb.get_with_hints((50, 20, 3, 3), name, init).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn seeds_and_names_decide() {
        let init = Init::Randn { mean: 1.0, stdev: 0.5 };
        let values = tensor(1, "a", init);
        assert_eq!(values, tensor(1, "a", init));
        assert_ne!(values, tensor(2, "a", init));
        assert_ne!(values, tensor(1, "b", init));
    }

    #[test]
    fn distributions_are_as_wide_as_asked_for() {
        let moments = |init| {
            let values = tensor(3, "w", init);
            let n = values.len() as f32;
            let mean = values.iter().sum::<f32>() / n;
            (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt())
        };
        let close = |(mean, deviation): (f32, f32), expected: (f32, f32)| {
            let within = 0.05 * expected.1;
            assert!((mean - expected.0).abs() < within, "{mean}");
            assert!((deviation - expected.1).abs() < within, "{deviation}");
        };
        close(moments(Init::Randn { mean: 1.0, stdev: 0.5 }), (1.0, 0.5));
        close(moments(Init::Uniform { lo: 0.0, up: 1.0 }), (0.5, 1.0 / 12f32.sqrt()));
        let deviation = (2f32 / 180.0).sqrt();
        close(moments(candle_nn::init::DEFAULT_KAIMING_NORMAL), (0.0, deviation));
        close(moments(candle_nn::init::DEFAULT_KAIMING_UNIFORM), (0.0, deviation));
        assert_eq!(tensor(3, "c", Init::Const(2.0)), [2.0; 9000]);
    }
}
