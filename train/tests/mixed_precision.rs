//! Maps between layers of another type than the weights: the gradients are those of f32.
//!
//! On a GPU that type is bf16, which candle can't multiply on a CPU. Here it is f64.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use candle::{DType, Device, Result, Tensor};
use ghostnetv2::Config;
use heads::{Seeded, retinanet, segmentation};
use train::classify::Classifier;
use train::{Autograd, Network, Step, Variables};

const SEED: u64 = 7;

fn images() -> Result<Tensor> {
    let numbers = (0..2 * 3 * 64 * 96).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0);
    Tensor::from_iter(numbers, &Device::Cpu)?.reshape((2, 3, 64, 96))
}

fn variables(dtype: DType) -> Variables {
    Variables::new(Seeded::new(SEED).var_builder(DType::F32, &Device::Cpu)).activations(dtype)
}

/// One step, whose loss is of f32 outputs.
fn step(network: &mut dyn Network) -> Result<Step> {
    network.step(&images()?, SEED, &mut |outputs| {
        let mut loss = Tensor::zeros((), DType::F32, &Device::Cpu)?;
        for output in outputs {
            assert_eq!(output.dtype(), DType::F32);
            loss = (loss + output.sqr()?.mean_all()?)?;
        }
        Ok(loss)
    })
}

/// Compares a network's step with that of f64 maps.
fn compare(build: impl Fn(&Variables) -> Result<Box<dyn Network>>) -> Result<()> {
    let expected = step(&mut build(&variables(DType::F32))?)?;
    let mut network = build(&variables(DType::F64))?;
    assert_eq!(network.vars().stored(), DType::F64);
    let found = step(&mut network)?;
    let off = (found.loss - expected.loss).abs() / expected.loss;
    assert!(off < 1e-4, "a loss of {}, {} in f32", found.loss, expected.loss);
    assert!(found.gradients.keys().eq(expected.gradients.keys()));
    // Of all parameters as one vector: that of one alone may be next to nothing.
    let (mut apart, mut length) = (0.0, 0.0);
    for (name, gradient) in &expected.gradients {
        let other = &found.gradients[name];
        assert_eq!(other.dtype(), DType::F32, "{name}");
        let square = |t: Tensor| t.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from);
        apart += square((other - gradient)?)?;
        length += square(gradient.clone())?;
    }
    let off = (apart / length).sqrt();
    assert!(off < 0.01, "gradients {off} off");
    Ok(())
}

fn backbone() -> Config {
    Config { dropout: 0.0, ..Config::v2(0.5) }
}

#[test]
fn classifiers() -> Result<()> {
    compare(|variables| Classifier::new(backbone(), 10, false).network(variables))
}

#[test]
fn detectors() -> Result<()> {
    let config =
        retinanet::RetinaNetConfig { classes: 3, channels: 32, ..retinanet::Preset::Lite.config() };
    compare(|variables| {
        let net = retinanet::RetinaNet::ghostnet(&config, &backbone(), variables.builder())?;
        let forward = move |x: &Tensor, _: u64| {
            let retinanet::RawOutputs { logits, deltas } = net.forward_t(x, true)?;
            Ok([logits, deltas].concat())
        };
        Ok(Box::new(Autograd::new(variables.vars(), forward)))
    })
}

/// The first has group norms, the second batch-norms.
#[test]
fn segmenters() -> Result<()> {
    for preset in [segmentation::Preset::Smp, segmentation::Preset::Lite] {
        let config = segmentation::SemanticFpnConfig {
            classes: 3,
            pyramid_channels: 32,
            channels: 32,
            dropout: 0.0,
            ..preset.config()
        };
        compare(|variables| {
            let net =
                segmentation::SemanticFpn::ghostnet(&config, &backbone(), variables.builder())?;
            let forward = move |x: &Tensor, _: u64| Ok(vec![net.forward_t(x, true)?]);
            Ok(Box::new(Autograd::new(variables.vars(), forward)))
        })?;
    }
    Ok(())
}
