//! Two ranks that train together do what one with twice the batch does, step for step.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code)] // of its parts, this needs fewer than its own crate
mod formula;
#[path = "../../engine/tests/training/meeting.rs"]
mod meeting;

use candle::{DType, Device, Result, Tensor};
use formula::plain;
use ghostnetv2::Config;
use ghostnetv2::training::Ranks;
use heads::Seeded;
use meeting::Threads;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use train::classify::{Classifier, cross_entropy};
use train::network::Named;
use train::optim::{Groups, Rule, Sgd};
use train::run::Silent;
use train::schedule::Shape;
use train::task::{Place, Scores, Task};
use train::{Decay, Error, Options, Plan, Schedule, Variables};

const CLASSES: usize = 3;
const SIDE: usize = 64;

/// Pictures by formula, whose classes repeat.
struct Numbers;

impl Task for Numbers {
    type Batch = (Tensor, Tensor);

    fn examples(&self) -> usize {
        24
    }

    fn identity(&self) -> Value {
        json!({})
    }

    fn batch(&self, examples: &[usize], _: Place) -> std::result::Result<Self::Batch, Error> {
        let picture = |i: &usize| plain(&format!("picture/{i}"), (1, 3, SIDE, SIDE));
        let pictures = examples.iter().map(picture).collect::<Result<Vec<_>>>()?;
        let target = |&i: &usize| (0..CLASSES).map(move |c| f32::from(u8::from(c == i % CLASSES)));
        let targets: Vec<f32> = examples.iter().flat_map(target).collect();
        let targets = Tensor::from_vec(targets, (examples.len(), CLASSES), &Device::Cpu)?;
        Ok((Tensor::cat(&pictures, 0)?, targets))
    }

    fn images(&self, batch: &Self::Batch) -> Result<Tensor> {
        Ok(batch.0.clone())
    }

    fn loss(&self, batch: &Self::Batch, outputs: &[Tensor]) -> Result<Tensor> {
        cross_entropy(&outputs[0], &batch.1)
    }

    fn weight(&self, batch: &Self::Batch) -> f64 {
        batch.1.dims()[0] as f64
    }

    fn evaluate(
        &self,
        _: &Named<Tensor>,
        _: &mut dyn FnMut(usize, usize),
    ) -> std::result::Result<Scores, Error> {
        Ok(Scores { main: "none".into(), all: BTreeMap::from([("none".into(), 0.0)]) })
    }

    fn export(&self, _: &Named<Tensor>, _: &Path) -> std::result::Result<(), Error> {
        Ok(())
    }
}

/// Trains for two epochs, and gives the losses of all steps and the bytes of the weights.
fn trained(out: &Path, ranks: Option<Arc<dyn Ranks>>) -> (Named<Tensor>, bool) {
    let start = Seeded::new(3).var_builder(DType::F32, &Device::Cpu);
    let variables = Variables::new(start);
    let config = Config { dropout: 0.3, ..Config::v2(0.25) };
    let mut network = Classifier::new(config, CLASSES, false).network(&variables).unwrap();
    let plan = Plan {
        seed: 1,
        epochs: 2,
        batch: 10, // 5 and 5, or 3, 3 and 4
        accumulate: 1,
        rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
        groups: Groups { weight_decay: 0.01, decay_vectors: false, factors: Vec::new() },
        schedule: Schedule {
            base: 1e-3,
            warmup: 0,
            warmup_start: 0.0,
            steps: 4,
            shape: Shape::Constant,
        },
        clip: Some(1.0),
        ema: Some(Decay { decay: 0.9, warmup: false }),
    };
    let options = Options {
        out: out.into(),
        resume: false,
        save_steps: None,
        log_steps: 1,
        workers: 1,
        ahead: 1,
        ranks: ranks.clone(),
    };
    train::train(&Numbers, &mut network, &plan, &options, &mut Silent).unwrap();
    let weights = variables.named().into_iter();
    let weights = weights.map(|(name, var)| (name, var.as_detached_tensor())).collect();
    (weights, ranks.is_none_or(|ranks| ranks.rank() == 0))
}

fn losses(out: &Path) -> Vec<f64> {
    let lines = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter_map(|row| row["loss"].as_f64()).collect()
}

#[test]
fn ranks_are_one_larger_batch() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone");
    let (expected, _) = trained(&alone, None);
    let expected_losses = losses(&alone);
    assert_eq!(expected_losses.len(), 4);
    for count in [2, 3] {
        let together = folder.path().join(count.to_string());
        let found: Vec<_> = std::thread::scope(|scope| {
            let start = |ranks: Arc<Threads>| {
                let together = &together;
                scope.spawn(move || trained(together, Some(ranks)))
            };
            let threads: Vec<_> = Threads::new(count).into_iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (found, expected) in losses(&together).iter().zip(&expected_losses) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{count}: {found}, not {expected}");
        }
        for (name, expected) in &expected {
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let first = flat(&found[0].0[name]);
            assert!(found.iter().all(|(weights, _)| flat(&weights[name]) == first), "{name}");
            let expected = flat(expected);
            let size = expected.iter().fold(1e-2f32, |most, v| most.max(v.abs()));
            for (found, expected) in first.iter().zip(&expected) {
                let off = (found - expected).abs() / size;
                assert!(off < 1e-3, "{count} ranks: {name}: {found}, not {expected}");
            }
        }
        assert_eq!(found.iter().filter(|(_, leads)| *leads).count(), 1);
    }
}
