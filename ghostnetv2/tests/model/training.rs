//! Training on the engine equals candle's `backward`: outputs, every gradient, running statistics.

use crate::formula::{Formula, plain};
use candle::{Result, Tensor, TensorId};
use candle_nn::ModuleT;
use ghostnetv2::training::TrainingBuilder;
use ghostnetv2::{Backbone, Config, GhostNet, Level, Pyramid, Taps};
use std::collections::{BTreeMap, HashMap, HashSet};

fn largest(t: &Tensor) -> Result<f32> {
    t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()
}

/// Compares with a tolerance relative to the tensor's largest element, or to `least`: biases in
/// front of a batch-norm have gradients of nothing but rounding.
fn close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32, least: f32) -> Result<()> {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (off, scale) = (largest(&(found - expected)?)?, largest(expected)?);
    assert!(off <= tolerance * scale.max(least), "{what}: differs by {off} of {scale}");
    Ok(())
}

type Tensors = BTreeMap<String, Tensor>;

fn learning(tensors: &Tensors) -> HashSet<TensorId> {
    let parameter = |(name, _): &(&String, &Tensor)| !name.contains("running_");
    tensors.iter().filter(parameter).map(|(_, tensor)| tensor.id()).collect()
}

/// Running statistics as they are now.
fn statistics(tensors: &Tensors) -> Result<Tensors> {
    let statistic = tensors.iter().filter(|(name, _)| name.contains("running_"));
    statistic.map(|(name, tensor)| Ok((name.clone(), tensor.copy()?))).collect()
}

fn compare(
    tensors: &Tensors,
    found: &HashMap<TensorId, Tensor>,
    expected: &candle::backprop::GradStore,
    tolerance: f32,
) -> Result<()> {
    let mut compared = 0;
    let mut most = 0f32;
    for tensor in tensors.values() {
        most = most.max(expected.get(tensor).map_or(Ok(0.0), largest)?);
    }
    for (name, tensor) in tensors.iter().filter(|(name, _)| !name.contains("running_")) {
        match (found.get(&tensor.id()), expected.get(tensor)) {
            (Some(found), Some(expected)) => close(name, found, expected, tolerance, 1e-2 * most)?,
            (None, None) => continue,
            (found, expected) => panic!("{name}: {} {}", found.is_some(), expected.is_some()),
        }
        compared += 1;
    }
    assert!(compared > 50);
    Ok(())
}

fn check(config: Config, (b, h, w): (usize, usize, usize)) -> Result<()> {
    let config = Config { dropout: 0.0, ..config };
    let x = plain("input", (b, 3, h, w))?;
    let by = plain("grad_logits", (b, 10))?;

    let formula = Formula { trainable: true, ..Default::default() };
    let model = GhostNet::new(&config, 10, formula.var_builder())?;
    let logits = model.forward_t(&x, true)?;
    let expected = logits.mul(&by)?.sum_all()?.backward()?;
    let tensors = formula.tensors.lock().unwrap().clone();
    let after = statistics(&tensors)?;

    let other = Formula { trainable: true, ..Default::default() };
    let model = GhostNet::new(&config, 10, other.var_builder())?;
    let others = other.tensors.lock().unwrap().clone();
    let graph = model.training_graph(&learning(&others))?;
    let mut seen = None;
    let step = graph.step(&x, 0, &mut |outputs| {
        seen = Some(outputs[0].detach());
        outputs[0].mul(&by)?.sum_all()
    })?;
    close("logits", &seen.unwrap(), &logits, 1e-3, 1e-3)?;
    let renamed: HashMap<TensorId, Tensor> = others
        .iter()
        .filter_map(|(name, t)| Some((tensors[name].id(), step.gradients.get(&t.id())?.clone())))
        .collect();
    compare(&tensors, &renamed, &expected, 1e-2)?;
    for (name, found) in statistics(&others)? {
        close(&name, &found, &after[&name], 1e-4, 1e-3)?;
    }
    Ok(())
}

#[test]
fn classifiers() -> Result<()> {
    check(Config::v1(0.5), (4, 65, 97))?;
    check(Config::v2(0.25), (4, 97, 65))?;
    check(Config::mindspore(0.5), (4, 97, 65))
}

/// Compares the gradients of all maps of a pyramid.
fn check_pyramid(config: &Config, taps: Taps, levels: &[Level], tolerance: f32) -> Result<()> {
    let formula = Formula { trainable: true, ..Default::default() };
    check_pyramid_of(&formula, config, taps, levels, tolerance)
}

fn check_pyramid_of(
    formula: &Formula,
    config: &Config,
    taps: Taps,
    levels: &[Level],
    tolerance: f32,
) -> Result<()> {
    let x = plain("input", (3, 3, 71, 97))?;
    let pyramid = Pyramid::new(config, taps, levels, formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap().clone();
    let objective = |maps: &[Tensor]| -> Result<Tensor> {
        let mut sum = Tensor::new(0f32, x.device())?;
        for map in maps {
            sum = (sum + map.mul(&plain("by", map.dims4()?)?)?.sum_all()?)?;
        }
        Ok(sum)
    };
    let expected = objective(&pyramid.features_t(&x, true)?)?.backward()?;
    let learning = learning(&tensors);
    let (mut net, input) = TrainingBuilder::new(3, &learning);
    let maps = pyramid.lower_t(&mut net, input)?;
    let step = net.build(&maps, false).step(&x, 0, &mut |maps| objective(maps))?;
    compare(&tensors, &step.gradients, &expected, tolerance)
}

#[test]
fn pyramids_of_both_conventions() -> Result<()> {
    for taps in [Taps::Timm, Taps::StageEnds] {
        check_pyramid(&Config::v2(0.25), taps, &Level::ALL, 1e-2)?;
    }
    Ok(())
}

/// Down to C4 only, where rounding has not grown yet: batch statistics over the few pixels of C5
/// and the sums of V3's branches multiply it.
#[test]
fn every_version_to_rounding() -> Result<()> {
    for config in [Config::v1, Config::v2, Config::v3, Config::mindspore] {
        check_pyramid(&config(0.5), Taps::StageEnds, &[Level::C3, Level::C4], 1e-3)?;
    }
    Ok(())
}

/// With frozen norms, so that rounding does not grow, at widths where no value is so near to zero
/// that rounding alone decides what a ReLU does with it.
#[test]
fn with_dilation_instead_of_strides() -> Result<()> {
    for output_stride in [8, 16] {
        for config in [Config::v2(0.25), Config::v3(0.3)] {
            let config = Config { output_stride, ..config };
            let formula = Formula { trainable: true, frozen_norms: true, ..Default::default() };
            let levels = [Level::C3, Level::C5];
            check_pyramid_of(&formula, &config, Taps::StageEnds, &levels, 1e-3)?;
        }
    }
    Ok(())
}

/// Frozen norms: the same as evaluation, and nothing follows the batch.
#[test]
fn frozen_norms_are_those_of_evaluation() -> Result<()> {
    let config = Config { dropout: 0.0, ..Config::v2(0.25) };
    let x = plain("input", (1, 3, 65, 65))?;
    let formula = Formula { trainable: true, frozen_norms: true, ..Default::default() };
    let model = GhostNet::new(&config, 10, formula.var_builder())?;
    let tensors = formula.tensors.lock().unwrap().clone();
    let before = statistics(&tensors)?;
    let expected = model.forward_t(&x, true)?.sqr()?.sum_all()?.backward()?;
    let graph = model.training_graph(&learning(&tensors))?;
    let step = graph.step(&x, 0, &mut |outputs| outputs[0].sqr()?.sum_all())?;
    compare(&tensors, &step.gradients, &expected, 1e-2)?;
    for (name, after) in statistics(&tensors)? {
        close(&name, &after, &before[&name], 0.0, 1.0)?;
    }
    Ok(())
}
