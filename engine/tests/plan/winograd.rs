//! Dense 3x3 convolutions of stride 1 with channels enough for Winograd's filtering: the same
//! results as the direct sums.

use engine::plan::{Activation, PlanOptions, Window};
use proptest::prelude::*;

use crate::check::check;
use crate::model::Model;
use crate::strategies::{activations, cases};

/// A convolution of a map of `c` channels, whose output is read on and is an output too.
fn model(c: usize, n: usize, activation: Activation) -> Model {
    let (mut model, x) = Model::with_map(c);
    let y = model.conv(x, Window::same((3, 3), 1), n, activation);
    let mean = model.global_pool(y);
    model.outputs = vec![y, mean];
    model
}

/// Whether the plan's listing says that the convolution is Winograd's.
fn chosen(model: &Model, (height, width): (usize, usize)) -> bool {
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = network.plan([1, 3, height, width], &PlanOptions::default()).unwrap();
    plan.to_string().contains(" winograd ")
}

#[test]
fn is_chosen_by_shape() {
    let wide = model(16, 16, Activation::Relu);
    for size in [(6, 6), (7, 7), (8, 5), (10, 10), (12, 80), (80, 80)] {
        assert!(chosen(&wide, size), "{size:?}");
    }
    for size in [(1, 1), (1, 200), (2, 50), (5, 5)] {
        assert!(!chosen(&wide, size), "{size:?}");
    }
    for narrow in [model(15, 40, Activation::Relu), model(40, 15, Activation::Relu)] {
        assert!(!chosen(&narrow, (80, 80)));
    }
    for window in [Window::same((3, 3), 2), Window::same((5, 5), 1)] {
        let (mut other, x) = Model::with_map(32);
        let y = other.conv(x, window, 32, Activation::Relu);
        other.outputs = vec![y];
        assert!(!chosen(&other, (80, 80)), "{window:?}");
    }
}

#[test]
fn every_rest_of_a_tile() {
    for height in 6..=10 {
        for width in 6..=10 {
            check(&model(17, 19, Activation::Identity), (height, width));
        }
    }
}

#[test]
fn every_rest_of_a_vector() {
    for more in 0..=16 {
        check(&model(16 + more, 33 - more, Activation::Relu), (9, 11));
    }
}

/// Several blocks of tiles, which threads share, and more columns than are computed together.
#[test]
fn large_maps_and_many_outputs() {
    check(&model(16, 20, Activation::Sigmoid), (61, 50));
    check(&model(16, 300, Activation::Relu), (33, 30));
    check(&model(40, 300, Activation::Identity), (8, 8));
}

/// As many channels as the towers of detectors have: sums so long err no further.
#[test]
fn long_sums() {
    check(&model(256, 20, Activation::Identity), (10, 11));
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn any_shape(
        size in (4..40usize, 4..40usize),
        (c, n) in (16..50usize, 16..50usize),
        activation in activations(),
    ) {
        check(&model(c, n, activation), size);
    }
}
