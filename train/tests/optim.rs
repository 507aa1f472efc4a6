//! Optimisers, clipping, moving averages and schedules beside what PyTorch and timm make of the
//! same numbers: `scripts/make_optim_fixture.py` has the rules, under the same names.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code)] // of its parts, this needs fewer than its own crate
mod formula;

use candle::{DType, Device, Result, Tensor, Var};
use formula::plain;
use std::collections::HashMap;
use std::path::Path;
use train::optim::{AdamW, RmsPropTf, Sgd, clip_factor, global_norm};
use train::{Decay, Ema, Groups, Named, Optimizer, Rule, Schedule, Shape};

/// How far a tensor may be from PyTorch's in f64, as a share of its largest value.
const OFF: f64 = 1e-6;
const STEPS: usize = 6;
const RATES: [f64; STEPS] = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1];
const LIMIT: f64 = 3.0;
const SHAPES: [(&str, &[usize]); 2] = [("conv.weight", &[3, 4]), ("bn.weight", &[5])];

type Fixture = HashMap<String, Tensor>;

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/optim.safetensors");
    candle::safetensors::load(path, &Device::Cpu).unwrap()
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

fn check(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f64, |a, b| a.max(b.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs() / largest;
        assert!(off < OFF, "{what}[{i}]: {found}, expected {expected}");
    }
}

fn tensors(prefix: &str) -> Result<Named<Tensor>> {
    let tensor = |&(name, dims): &(&str, &[usize])| {
        Ok((name.to_string(), plain(&format!("{prefix}/{name}"), dims)?))
    };
    SHAPES.iter().map(tensor).collect()
}

fn start() -> Result<Named<Var>> {
    tensors("start")?.into_iter().map(|(name, t)| Ok((name, Var::from_tensor(&t)?))).collect()
}

fn gradients(step: usize) -> Result<Named<Tensor>> {
    let scale = if step == 0 { 4e-3 } else { 4.0 };
    let scaled = |(name, u): (String, Tensor)| Ok((name, (u * scale)?));
    tensors(&format!("gradient/{step}"))?.into_iter().map(scaled).collect()
}

/// Compares both parameters with their values after a step.
fn check_step(fixture: &Fixture, key: &str, step: usize, found: &Named<Tensor>) -> Result<()> {
    for (name, _) in SHAPES {
        let expected = fixture[&format!("{key}/{name}")].get(step)?;
        let what = format!("{key}/{name}, step {step}");
        check(&what, &doubles(&found[name])?, &doubles(&expected)?);
    }
    Ok(())
}

/// Runs an optimiser with the gradients of the fixture; `limit` clips them.
fn run(key: &str, rule: Rule, base: f64, groups: Groups, limit: Option<f64>) -> Result<()> {
    let (fixture, parameters) = (fixture(), start()?);
    let mut optimizer = Optimizer::new(rule, groups);
    for (step, rate) in RATES.into_iter().enumerate() {
        let gradients = gradients(step)?;
        let norm = global_norm(&gradients)?;
        if limit.is_some() {
            check("norm", &[norm], &doubles(&fixture["clip/norms"].get(step)?)?);
        }
        optimizer.step(&parameters, &gradients, base * rate, clip_factor(norm, limit))?;
        let found = parameters.iter().map(|(n, v)| (n.clone(), v.as_detached_tensor())).collect();
        check_step(&fixture, key, step, &found)?;
    }
    Ok(())
}

fn all(weight_decay: f64, share_of_the_vector: f64) -> Groups {
    let factors = vec![("bn".into(), share_of_the_vector)];
    Groups { weight_decay, decay_vectors: true, factors }
}

#[test]
fn sgd_moves_as_torch_does() -> Result<()> {
    let sgd = |momentum, nesterov| Rule::Sgd(Sgd { momentum, nesterov });
    run("sgd-plain", sgd(0.0, false), 0.1, Groups::default(), None)?;
    run("sgd-momentum", sgd(0.9, false), 0.1, Groups::decaying(0.05), None)?;
    run("sgd-nesterov", sgd(0.9, true), 0.1, all(0.05, 1.0), None)?;
    run("sgd-factor", sgd(0.9, false), 0.1, all(0.05, 0.1), None)
}

#[test]
fn clipping_is_by_the_norm_of_all_gradients() -> Result<()> {
    let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: false });
    run("clip", rule, 0.1, Groups::decaying(0.05), Some(LIMIT))
}

#[test]
fn adamw_moves_as_torch_does() -> Result<()> {
    run("adamw", Rule::AdamW(AdamW::default()), 0.01, Groups::decaying(0.05), None)?;
    let other = AdamW { beta1: 0.8, beta2: 0.95, eps: 1e-3 };
    run("adamw-betas", Rule::AdamW(other), 0.01, all(0.5, 1.0), None)
}

#[test]
fn rmsprop_moves_as_timm_does() -> Result<()> {
    let paper = RmsPropTf::default();
    run("rmsproptf", Rule::RmsPropTf(paper), 0.05, Groups::decaying(0.05), None)?;
    let slow = RmsPropTf { alpha: 0.99, ..paper };
    run("rmsproptf-vectors", Rule::RmsPropTf(slow), 0.05, all(0.05, 0.1), None)?;
    let still = RmsPropTf { momentum: 0.0, ..paper };
    run("rmsproptf-still", Rule::RmsPropTf(still), 0.05, Groups::default(), None)
}

#[test]
fn averages_are_timms() -> Result<()> {
    let fixture = fixture();
    for (key, warmup) in [("ema-warm", true), ("ema-flat", false)] {
        let parameters = start()?;
        let mut ema = Ema::new(Decay { decay: 0.55, warmup }, &parameters)?;
        for step in 0..STEPS {
            for (name, value) in tensors(&format!("average/{step}"))? {
                parameters[&name].set(&value)?;
            }
            ema.update(step as u64, &parameters)?;
            check_step(&fixture, key, step, ema.average())?;
        }
    }
    Ok(())
}

#[test]
fn rates_are_torchs() -> Result<()> {
    let cycle = |rise| Shape::OneCycle { rise, start_divisor: 10.0, end_divisor: 100.0 };
    let falling = || Shape::Steps { milestones: vec![8, 15], gamma: 0.1 };
    let runs = [
        ("cosine", 20, 0, Shape::Cosine { end: 0.01 }),
        ("steps", 20, 0, falling()),
        ("poly", 20, 0, Shape::Poly { power: 0.9, end: 0.0 }),
        ("one-cycle", 20, 0, cycle(0.3)),
        ("one-cycle-odd", 7, 0, cycle(0.25)),
        ("one-cycle-falling", 7, 0, cycle(0.1)),
        ("warm-cosine", 20, 4, Shape::Cosine { end: 0.0 }),
        ("warm-steps", 20, 4, falling()),
    ];
    let fixture = fixture();
    for (name, steps, warmup, shape) in runs {
        let schedule = Schedule { base: 0.5, steps, warmup, warmup_start: 0.1, shape };
        let expected = doubles(&fixture[&format!("rate/{name}")])?;
        for (step, expected) in expected.into_iter().enumerate() {
            let found = schedule.rate(step as u64);
            // torch goes from rate to rate, so that its last zeros are not quite zero
            let off = (found - expected).abs();
            assert!(off <= OFF * expected + 1e-12, "{name}, step {step}: {found}, {expected}");
        }
    }
    Ok(())
}
