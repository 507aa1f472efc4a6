//! A classifier: cross entropy with smoothed labels.

use crate::batches::{CLASSES, Lot, Size};
use crate::fixture::{check_curve, check_gradients};
use crate::weights::variables;
use candle::{Device, Result, Tensor};
use ghostnetv2::Config;
use train::classify::{Classifier, cross_entropy};
use train::{Network, Step};

/// The share of a label that all classes divide among them.
const SMOOTHING: f32 = 0.1;

fn network(width: f64) -> Result<Box<dyn Network>> {
    let config = Config { dropout: 0.0, ..Config::v2(width) };
    Ok(Box::new(Classifier::new(config, CLASSES, false).network(&variables())?))
}

fn step(network: &mut dyn Network, number: usize, count: usize, size: Size) -> Result<Step> {
    let (images, labels) = Lot { number, count, size }.classified()?;
    let rest = SMOOTHING / CLASSES as f32;
    let target = |&label: &u32| {
        let whole = move |class| if class == label { 1.0 - SMOOTHING + rest } else { rest };
        (0..CLASSES as u32).map(whole)
    };
    let targets: Vec<f32> = labels.iter().flat_map(target).collect();
    let targets = Tensor::from_vec(targets, (count, CLASSES), &Device::Cpu)?;
    network.step(&images, 0, &mut |outputs| cross_entropy(&outputs[0], &targets))
}

#[test]
fn gradients() -> Result<()> {
    let mut network = network(0.25)?;
    let found = step(&mut *network, 0, 3, (97, 129))?;
    check_gradients("classifier", &*network, found)
}

#[test]
fn curve() -> Result<()> {
    let mut network = network(0.5)?;
    check_curve("classifier", &mut *network, |network, number| step(network, number, 16, (64, 64)))
}
