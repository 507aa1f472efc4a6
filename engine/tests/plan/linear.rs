//! Fully connected layers: those behind the network's maps, which take the vectors of a batch
//! together, and those that give a ghost module its scale.

use engine::plan::Activation;
use proptest::prelude::*;

use crate::check::{check, check_batch};
use crate::model::{Joint, Model};
use crate::strategies::{ACTIVATIONS, activations, cases, channels};

fn linear(k: usize, n: usize, activation: Activation) -> Model {
    let (mut model, x) = Model::with_map(k);
    let mean = model.global_pool(x);
    let y = model.linear(mean, n, activation);
    model.outputs = vec![y];
    model
}

#[test]
fn every_activation() {
    for activation in ACTIVATIONS {
        for (k, n) in [(1, 1), (7, 5), (40, 33), (160, 200)] {
            check(&linear(k, n, activation), (2, 3));
        }
    }
}

#[test]
fn every_batch_up_to_fifteen() {
    for batch in 1..=15 {
        check_batch(&linear(20, 30, Activation::Sigmoid), (1, 2), batch);
    }
}

/// A vector that a linear layer and a ghost module read, and one that only linear layers read.
#[test]
fn vectors_for_several_readers() {
    let (mut model, x) = Model::with_map(18);
    let mean = model.global_pool(x);
    let scale = model.linear(mean, 18, Activation::HardSigmoid);
    let features = model.linear(scale, 9, Activation::Relu);
    let map = model.ghost((x, Some(scale)), (11, 20), 3, Activation::Relu, Joint::None);
    let mean = model.global_pool(map);
    let hidden = model.linear(mean, 26, Activation::Relu);
    let logits = model.linear(hidden, 5, Activation::Identity);
    model.outputs = vec![logits, features, hidden, scale, mean];
    for batch in [1, 2, 3, 7] {
        check_batch(&model, (5, 4), batch);
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_chain(
        batch in 1..6usize,
        k in channels(),
        n in channels(),
        m in 1..200usize,
        activation in activations(),
    ) {
        let mut model = linear(k, n, activation);
        let y = model.linear(model.outputs[0], m, Activation::Identity);
        model.outputs.push(y);
        check_batch(&model, (2, 2), batch);
    }
}
