//! Group normalisation.

use std::sync::Arc;

use engine::plan::{Activation, NetworkBuilder, PlanOptions, Window};
use proptest::prelude::*;

use crate::check::{check, check_batch, run};
use crate::model::Model;
use crate::strategies::{activations, cases, sizes};

fn model(groups: usize, len: usize, activation: Activation) -> Model {
    let (mut model, x) = Model::with_map(groups * len);
    let y = model.group_norm(x, groups, activation);
    model.outputs = vec![y];
    model
}

#[test]
fn groups_of_every_length() {
    for len in 1..=20 {
        for groups in [1, 3, 8] {
            check(&model(groups, len, Activation::Relu), (9, 10));
        }
    }
}

/// Enough work for several threads, and many blocks of pixels.
#[test]
fn large_maps() {
    check_batch(&model(32, 4, Activation::Identity), (31, 40), 2);
}

/// A large mean with a small variance, as no difference of two sums would give it.
#[test]
fn a_mean_that_is_far_from_zero() {
    let none = Activation::Identity;
    let (mut builder, x) = NetworkBuilder::new(&PlanOptions::default(), 1);
    let map = builder.conv(x, Window::same((1, 1), 1), (&[1.0], &[4096.0]), none).unwrap();
    let norm = builder.group_norm(map, 1, (&[1.0], &[0.0]), 0.0, none).unwrap();
    let network = Arc::new(builder.build(&[norm]));
    let input: Vec<f32> = (0..600).map(|i| if i % 2 == 0 { 0.5 } else { -0.5 }).collect();
    let outputs = run(&network, [1, 1, 20, 30], 1, &input).unwrap();
    for (found, input) in outputs[0].iter().zip(input) {
        assert!((found - 2.0 * input).abs() < 1e-6, "{found} for {input}");
    }
}

/// What `torch.nn.functional.group_norm` makes of twelve numbers `[1, 4, 1, 3]` in two groups.
#[test]
fn equals_pytorch() {
    let input: Vec<f32> = (0..12).map(|i| (i * i % 7) as f32 + 97.0 + 0.25 * i as f32).collect();
    let expected = [
        -1.56152, -0.86233, 0.95556, 0.95339, 1.23306, 3.75014, 2.8478, 3.34007, 2.51962, 3.80678,
        3.23246, 3.31451,
    ];
    let none = Activation::Identity;
    let (mut builder, x) = NetworkBuilder::new(&PlanOptions::default(), 4);
    let same: Vec<f32> = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let map = builder.conv(x, Window::same((1, 1), 1), (&same, &[0.0; 4]), none).unwrap();
    let affine: (&[f32], &[f32]) = (&[1.0, 2.0, -1.0, 0.5], &[0.0, 1.0, 2.0, 3.0]);
    let norm = builder.group_norm(map, 2, affine, 1e-5, none).unwrap();
    let network = Arc::new(builder.build(&[norm]));
    let outputs = run(&network, [1, 4, 1, 3], 1, &input).unwrap();
    for (found, expected) in outputs[0].iter().zip(expected) {
        assert!((found - expected).abs() < 2e-5, "found {found}, expected {expected}");
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_shape(
        (height, width) in sizes(),
        groups in 1..9usize,
        len in 1..12usize,
        activation in activations(),
    ) {
        // Four pixels at least: few values can lie so close together that their rounding shows.
        check(&model(groups, len, activation), (height + 1, width + 1));
    }
}
