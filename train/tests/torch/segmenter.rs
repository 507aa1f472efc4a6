//! A Semantic FPN `lite`: cross entropy of pixels, of which some have no class.

use crate::batches::{CLASSES, Lot, Size};
use crate::fixture::{check_curve, check_gradients};
use crate::weights::variables;
use candle::{Result, Tensor};
use ghostnetv2::Config;
use heads::segmentation::{Average, SemanticFpn, SemanticFpnConfig, cross_entropy};
use train::{Autograd, Network, Step};

fn network(width: f64) -> Result<Box<dyn Network>> {
    let config = SemanticFpnConfig {
        classes: CLASSES,
        pyramid_channels: 32,
        channels: 16,
        dropout: 0.0,
        ..SemanticFpnConfig::lite()
    };
    let variables = variables();
    let net = SemanticFpn::ghostnet(&config, &Config::v2(width), variables.builder())?;
    let forward = move |x: &Tensor, _: u64| Ok(vec![net.forward_t(x, true)?]);
    Ok(Box::new(Autograd::new(variables.vars(), forward)))
}

fn step(network: &mut dyn Network, number: usize, count: usize, size: Size) -> Result<Step> {
    let (images, labels) = Lot { number, count, size }.labelled()?;
    network.step(&images, 0, &mut |outputs| {
        cross_entropy(&outputs[0], &labels, false, Average::Labelled)
    })
}

#[test]
fn gradients() -> Result<()> {
    let mut network = network(0.25)?;
    let found = step(&mut *network, 0, 3, (97, 129))?;
    check_gradients("segmenter", &*network, found)
}

#[test]
fn curve() -> Result<()> {
    let mut network = network(0.5)?;
    check_curve("segmenter", &mut *network, |network, number| step(network, number, 8, (64, 64)))
}
