//! Pointwise convolutions, with and without a map to add.

use engine::isa::AnyIsa;
use engine::plan::{Activation, PlanOptions};
use proptest::prelude::*;

use crate::check::{bits, check, pictures, run, whole_team};
use crate::model::Model;
use crate::strategies::{ACTIVATIONS, activations, cases, channels, sizes};

fn pointwise(k: usize, n: usize, activation: Activation, add: bool) -> Model {
    let (mut model, x) = Model::with_map(k);
    let other = add.then(|| model.pointwise(x, n, Activation::Identity, None));
    let y = model.pointwise(x, n, activation, other);
    model.outputs = vec![y];
    model
}

#[test]
fn every_number_of_columns() {
    for n in 1..=49 {
        check(&pointwise(5, n, Activation::Relu, n % 2 == 0), (3, 7));
    }
}

#[test]
fn every_number_of_pixels_and_one_factor() {
    for pixels in 1..=30 {
        check(&pointwise(1, 20, Activation::Identity, false), (1, pixels));
        check(&pointwise(1, 9, Activation::Identity, true), (pixels, 1));
    }
}

#[test]
fn every_activation() {
    for activation in ACTIVATIONS {
        for add in [false, true] {
            check(&pointwise(24, 40, activation, add), (9, 5));
        }
    }
}

/// More pixels than stay in the cache while panels pass over them, and more factors.
#[test]
fn several_blocks() {
    check(&pointwise(3, 70, Activation::Relu, true), (23, 31));
    check(&pointwise(700, 33, Activation::Identity, true), (7, 9));
}

/// Where an output has pixels enough, it is computed as planes.
#[test]
fn planes_of_every_number_of_rows_and_pixels() {
    for n in 1..=50 {
        check(&pointwise(5, n, Activation::Relu, false), (8, 9));
    }
    for pixels in 60..=115 {
        check(&pointwise(3, 20, Activation::Identity, false), (1, pixels));
    }
    for activation in ACTIVATIONS {
        check(&pointwise(130, 97, activation, false), (13, 11));
    }
}

/// An output that is read on is copied to planes, and has the same bits.
#[test]
fn planes_have_the_bits_of_maps() {
    let _turn = whole_team();
    let mut model = pointwise(23, 50, Activation::Sigmoid, false);
    let y = model.outputs[0];
    let input = pictures(&model, (9, 13), 2);
    let shape = [2, model.channels[0], 9, 13];
    for isa in AnyIsa::available() {
        let options = PlanOptions::default().with_isa(isa);
        model.outputs = vec![y];
        let alone = model.network(&options).unwrap();
        model.outputs = vec![y, y];
        let copied = model.network(&options).unwrap();
        for threads in [1, 2, 3] {
            let alone = run(&alone, shape, threads, &input).unwrap();
            let copied = run(&copied, shape, 1, &input).unwrap();
            assert!(bits(&alone)[0] == bits(&copied)[0], "{isa:?}, {threads} threads");
        }
    }
}

#[test]
fn a_map_that_is_added_to_its_own_product() {
    let (mut model, x) = Model::with_map(21);
    let y = model.pointwise(x, 21, Activation::Relu, Some(x));
    let z = model.pointwise(y, 21, Activation::Identity, Some(x));
    model.outputs = vec![z];
    check(&model, (6, 11));
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_shape(
        size in sizes(),
        k in channels(),
        n in channels(),
        activation in activations(),
        add in any::<bool>(),
    ) {
        check(&pointwise(k, n, activation, add), size);
    }
}
