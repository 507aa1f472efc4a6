//! A RetinaNet `lite`, with torchvision's anchors and losses.

use crate::batches::{CLASSES, Lot, Size};
use crate::fixture::{check_curve, check_gradients};
use crate::weights::variables;
use candle::{Result, Tensor};
use ghostnetv2::Config;
use heads::placement::Batch;
use heads::retinanet::{BoxLoss, LossConfig, RawOutputs, RetinaNet, RetinaNetConfig};
use train::{Autograd, Network, Step};

fn config() -> RetinaNetConfig {
    let torchvision = RetinaNetConfig::torchvision();
    RetinaNetConfig {
        classes: CLASSES,
        channels: 32,
        loss: LossConfig { bbox: BoxLoss::Giou, ..torchvision.loss },
        anchors: torchvision.anchors,
        coder: torchvision.coder,
        matcher: torchvision.matcher,
        ..RetinaNetConfig::lite()
    }
}

fn network(width: f64) -> Result<Box<dyn Network>> {
    let variables = variables();
    let net = RetinaNet::ghostnet(&config(), &Config::v2(width), variables.builder())?;
    let forward = move |x: &Tensor, _: u64| {
        let RawOutputs { logits, deltas } = net.forward_t(x, true)?;
        Ok([logits, deltas].concat())
    };
    Ok(Box::new(Autograd::new(variables.vars(), forward)))
}

fn step(network: &mut dyn Network, number: usize, count: usize, size: Size) -> Result<Step> {
    let (images, objects) = Lot { number, count, size }.with_objects()?;
    let batch = Batch::of_inputs(images.clone())?;
    network.step(&images, 0, &mut |outputs| {
        let (logits, deltas) = outputs.split_at(outputs.len() / 2);
        let raw = RawOutputs { logits: logits.to_vec(), deltas: deltas.to_vec() };
        config().losses(&raw, &batch, &objects)?.total()
    })
}

#[test]
fn gradients() -> Result<()> {
    let mut network = network(0.25)?;
    let found = step(&mut *network, 0, 3, (161, 193))?;
    check_gradients("detector", &*network, found)
}

#[test]
fn curve() -> Result<()> {
    let mut network = network(0.5)?;
    check_curve("detector", &mut *network, |network, number| step(network, number, 4, (160, 160)))
}
