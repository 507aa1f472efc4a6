//! Detectors and segmentation networks in training on the engine equal candle's `backward`.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use candle::{DType, Device, Result, Tensor, TensorId, Var};
use candle_nn::VarBuilder;
use candle_nn::VarMap;
use ghostnetv2::Config;
use ghostnetv2::training::TrainingGraph;
use heads::ConvKind;
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config};
use heads::retinanet::{HeadNorm, RetinaNet, RetinaNetConfig};
use heads::segmentation::{SemanticFpn, SemanticFpnConfig, SemanticNorm};
use std::collections::{BTreeMap, HashSet};

/// Variables that begin as the seeded weights do.
fn variables(build: impl Fn(VarBuilder) -> Result<()>) -> Result<BTreeMap<String, Var>> {
    let map = VarMap::new();
    build(VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu))?;
    let made = map.data().lock().unwrap().clone();
    let seeded = heads::Seeded::new(3).var_builder(DType::F32, &Device::Cpu);
    for (name, var) in &made {
        var.set(&seeded.get(var.shape(), name)?)?;
    }
    Ok(made.into_iter().collect())
}

fn builder(variables: &BTreeMap<String, Var>) -> VarBuilder<'static> {
    let tensors = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
    VarBuilder::from_tensors(tensors.collect(), DType::F32, &Device::Cpu)
}

fn learning(variables: &BTreeMap<String, Var>) -> HashSet<TensorId> {
    let parameters = variables.iter().filter(|(name, _)| !name.contains("running_"));
    parameters.map(|(_, var)| var.id()).collect()
}

fn largest(t: &Tensor) -> Result<f32> {
    t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()
}

/// Pictures that look random, the same in every run.
fn pictures(shape: (usize, usize, usize, usize)) -> Result<Tensor> {
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let value = |i: usize| ((i * 7919 + i / 97 * 31) % 1009) as f32 / 504.5 - 1.0;
    Tensor::from_vec((0..count).map(value).collect::<Vec<f32>>(), shape, &Device::Cpu)
}

/// Outputs times numbers that differ from place to place.
fn objective(outputs: &[Tensor]) -> Result<Tensor> {
    let mut sum = Tensor::new(0f32, &Device::Cpu)?;
    for output in outputs {
        let count = output.elem_count();
        let by: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let by = Tensor::from_vec(by, output.shape(), &Device::Cpu)?;
        sum = (sum + output.mul(&by)?.sum_all()?)?;
    }
    Ok(sum)
}

fn compare(
    variables: &BTreeMap<String, Var>,
    x: &Tensor,
    outputs: &[Tensor],
    graph: &TrainingGraph,
) -> Result<()> {
    let expected = objective(outputs)?.backward()?;
    let mut seen = Vec::new();
    let step = graph.step(x, 0, &mut |outputs| {
        seen = outputs.iter().map(Tensor::detach).collect();
        objective(outputs)
    })?;
    assert_eq!(seen.len(), outputs.len());
    for (found, expected) in seen.iter().zip(outputs) {
        assert_eq!(found.dims(), expected.dims());
        assert!(largest(&(found - expected)?)? <= 1e-3 * largest(expected)?.max(1e-3));
    }
    let mut most = 0f32;
    for var in variables.values() {
        most = most.max(expected.get(var).map_or(Ok(0.0), largest)?);
    }
    let mut compared = 0;
    for (name, var) in variables.iter().filter(|(name, _)| !name.contains("running_")) {
        let (found, expected) = (&step.gradients[&var.id()], expected.get(var).unwrap());
        let (off, size) = (largest(&(found - expected)?)?, largest(expected)?);
        // Rounding grows where the last maps have few pixels to take their variance from.
        assert!(off <= 2e-2 * size.max(1e-2 * most), "{name}: differs by {off} of {size}");
        compared += 1;
    }
    assert!(compared > 100);
    Ok(())
}

#[test]
fn detectors() -> Result<()> {
    for norm in [HeadNorm::BatchForLevels, HeadNorm::Group(4), HeadNorm::None] {
        let convolution = match norm {
            HeadNorm::BatchForLevels => ConvKind::Separable,
            _ => ConvKind::Dense,
        };
        let config = RetinaNetConfig {
            classes: 3,
            channels: 16,
            norm,
            convolution,
            ..RetinaNetConfig::lite()
        };
        let backbone = Config::v2(0.25);
        let build = |vb: VarBuilder| RetinaNet::ghostnet(&config, &backbone, vb);
        let variables = variables(|vb| build(vb).map(drop))?;
        let net = build(builder(&variables))?;
        let x = pictures((4, 3, 136, 120))?;
        let graph = net.training_graph(&learning(&variables))?;
        let raw = net.forward_t(&x, true)?;
        compare(&variables, &x, &[raw.logits, raw.deltas].concat(), &graph)?;
    }
    Ok(())
}

#[test]
fn segmentation_networks() -> Result<()> {
    for (norm, align_corners) in [(SemanticNorm::Batch, false), (SemanticNorm::Group(4), true)] {
        let config = SemanticFpnConfig {
            classes: 3,
            channels: 16,
            pyramid_channels: 16,
            norm,
            align_corners,
            dropout: 0.0,
            ..SemanticFpnConfig::lite()
        };
        let backbone = Config::v2(0.25);
        let build = |vb: VarBuilder| SemanticFpn::ghostnet(&config, &backbone, vb);
        let variables = variables(|vb| build(vb).map(drop))?;
        let net = build(builder(&variables))?;
        let x = pictures((4, 3, 72, 104))?;
        let graph = net.training_graph(&learning(&variables))?;
        compare(&variables, &x, &[net.forward_t(&x, true)?], &graph)?;
    }
    Ok(())
}

#[test]
fn networks_with_dilated_backbones() -> Result<()> {
    let preset = DeepLabV3Config::mmseg_d16();
    let config = DeepLabV3Config { classes: 3, channels: 16, dropout: 0.0, ..preset };
    let backbone = Config::v2(0.25);
    let build = |vb: VarBuilder| DeepLabV3::ghostnet(&config, &backbone, vb);
    let variables = variables(|vb| build(vb).map(drop))?;
    let net = build(builder(&variables))?;
    let x = pictures((4, 3, 72, 104))?;
    let graph = net.training_graph(&learning(&variables))?;
    compare(&variables, &x, &[net.forward_t(&x, true)?], &graph)
}
