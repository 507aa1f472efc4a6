//! Resizing: every mode, up and down, with another map added.

use std::sync::Arc;

use engine::plan::{Activation, Extent, NetworkBuilder, PlanOptions, Window};
use proptest::prelude::*;

use crate::check::{check, check_batch, run};
use crate::layer::Size;
use crate::model::{INPUT, Id, Model};
use crate::strategies::{MODES, activations, cases, channels, sizes};

const NONE: Activation = Activation::Identity;

/// A map of the whole size and one of half of it, as two levels of a pyramid.
fn levels(channels: usize) -> (Model, Id, Id) {
    let (mut model, large) = Model::with_map(channels);
    let small = model.depthwise(large, Window::same((3, 3), 2), NONE);
    (model, large, small)
}

#[test]
fn top_down_paths() {
    for mode in MODES {
        for size in [(1, 1), (2, 2), (7, 9), (32, 20)] {
            let (mut model, large, small) = levels(19);
            let sum = model.resize(small, Size::Like(large), mode, Some(large), Activation::Relu);
            model.outputs = vec![sum, small];
            check(&model, size);
        }
    }
}

#[test]
fn whole_factors_and_the_size_of_the_input() {
    for mode in MODES {
        for factor in [1, 2, 3, 4, 8] {
            let (mut model, _, small) = levels(5);
            let times = model.resize(small, Size::Times(factor), mode, None, NONE);
            let input = model.resize(times, Size::Like(INPUT), mode, None, NONE);
            model.outputs = vec![times, input];
            check_batch(&model, (9, 6), 2);
        }
    }
}

/// The mean of a map in the size of the map: the picture's own branch of DeepLabV3.
#[test]
fn a_vector_in_the_size_of_a_map() {
    for mode in MODES {
        let (mut model, x) = Model::with_map(12);
        let mean = model.global_pool(x);
        let branch = model.linear(mean, 20, Activation::Relu);
        let wide = model.resize(branch, Size::Like(x), mode, None, NONE);
        let all = model.concat(&[x, wide]);
        model.outputs = vec![all, branch];
        check_batch(&model, (5, 8), 3);
    }
}

#[test]
fn activations_and_sums_of_maps() {
    let (mut model, x) = Model::with_map(21);
    let relu = model.activation(x, None, Activation::Relu);
    let sum = model.activation(x, Some(relu), Activation::Sigmoid);
    let twice = model.activation(x, Some(x), NONE);
    model.outputs = vec![x, relu, sum, twice];
    check_batch(&model, (6, 7), 2);
}

/// What `torch.nn.functional.interpolate` makes of twelve numbers `[3, 4]`: `[7, 5]` in each mode.
#[rustfmt::skip]
const PYTORCH: [[f32; 35]; 3] = [
    [
        -3.0, -3.0, -1.75, 1.5, -0.25, -3.0, -3.0, -1.75, 1.5, -0.25, -3.0, -3.0, -1.75, 1.5,
        -0.25, 0.0, 0.0, 2.25, -0.5, -1.25, 0.0, 0.0, 2.25, -0.5, -1.25, 0.0, 0.0, 3.25, 1.5,
        1.75, 0.0, 0.0, 3.25, 1.5, 1.75,
    ],
    [
        -3.0, -2.125, -0.125, 0.9750001, -0.25, -2.5714285, -1.5964285, 0.0178571, 0.7321429,
        -0.3928572, -1.2857141, -0.0107142, 0.4464286, 0.0035715, -0.8214286, 0.0, 1.575, 0.875,
        -0.725, -1.25, 0.0, 1.8750001, 1.5178571, 0.2607144, 0.0357143, 0.0, 2.1750002,
        2.1607144, 1.2464287, 1.3214288, 0.0, 2.275, 2.375, 1.575, 1.75,
    ],
    [
        -3.0, -2.0625, -0.125, 1.0625, -0.25, -1.9999999, -0.8124999, 0.2083333, 0.4791667,
        -0.5833333, -0.9999999, 0.4375001, 0.5416667, -0.1041667, -0.9166667, 0.0, 1.6875,
        0.875, -0.6875, -1.25, 0.0, 1.9375, 1.375, 0.0625001, -0.2499999, 0.0, 2.1875, 1.875,
        0.8125002, 0.7500002, 0.0, 2.4375, 2.375, 1.5625, 1.75,
    ],
];

#[test]
fn equals_pytorch() {
    let input: Vec<f32> = (0..12).map(|i| (i * i % 7) as f32 - 3.0 + 0.25 * i as f32).collect();
    for (mode, expected) in MODES.into_iter().zip(PYTORCH) {
        let (mut builder, x) = NetworkBuilder::new(&PlanOptions::default(), 1);
        let map = builder.conv(x, Window::same((1, 1), 1), (&[1.0], &[0.0]), NONE).unwrap();
        // Another map has the size that is wanted: 3 + 2 * 2 by 4 + 2 - 1.
        let larger = Window { kernel: (3, 1), stride: 1, padding: (2, 0), dilation: 1 };
        let tall = builder.conv(x, larger, (&[0.0; 3], &[0.0]), NONE).unwrap();
        let taller = builder.conv(tall, larger, (&[0.0; 3], &[0.0]), NONE).unwrap();
        let wider = Window { kernel: (1, 2), stride: 1, padding: (0, 1), dilation: 1 };
        let other = builder.conv(taller, wider, (&[0.0; 2], &[0.0]), NONE).unwrap();
        let y = builder.resize(map, Extent::Like(other), mode, None, NONE).unwrap();
        let network = Arc::new(builder.build(&[y]));
        let outputs = run(&network, [1, 1, 3, 4], 1, &input).unwrap();
        assert_eq!(outputs[0].len(), expected.len());
        for (at, (found, expected)) in outputs[0].iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error <= 1e-6, "{mode:?} at {at}: found {found}, expected {expected}");
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_shape(
        size in sizes(),
        channels in channels(),
        stride in 1..4usize,
        factor in 1..5usize,
        mode in prop::sample::select(MODES.to_vec()),
        add in any::<bool>(),
        activation in activations(),
    ) {
        let (mut model, x) = Model::with_map(channels);
        let small = model.depthwise(x, Window::same((1, 1), stride), NONE);
        let back = model.resize(small, Size::Like(x), mode, add.then_some(x), activation);
        let down = model.resize(x, Size::Like(small), mode, add.then_some(small), activation);
        let more = model.resize(small, Size::Times(factor), mode, None, activation);
        model.outputs = vec![back, down, more];
        check(&model, size);
    }
}
