//! Weights that are kept once and used on several maps, and concatenated maps.

use engine::isa::AnyIsa;
use engine::plan::{Activation, PlanOptions, Precision, Window};

use crate::check::{check_batch, pictures, run};
use crate::int8::calibrated;
use crate::model::{Id, Model};

/// Two levels with a tower each, whose weights are the same where they are shared.
fn towers(shared: bool) -> Model {
    let (mut model, large) = Model::with_map(24);
    let small = model.depthwise(large, Window::same((3, 3), 2), Activation::Identity);
    let mut first: Vec<Id> = Vec::new();
    for level in [large, small] {
        let mut x = level;
        for layer in 0..4 {
            x = match layer {
                _ if shared && level == small => model.repeat(first[layer], x),
                0 => model.conv(x, Window::same((3, 3), 1), 24, Activation::Identity),
                1 => model.group_norm(x, 8, Activation::Relu),
                2 => model.depthwise(x, Window::same((3, 3), 1), Activation::Relu),
                _ => model.pointwise(x, 10, Activation::Sigmoid, None),
            };
            if level == large {
                first.push(x);
            }
        }
        model.outputs.push(x);
    }
    model
}

#[test]
fn towers_of_all_levels() {
    for size in [(4, 4), (13, 10), (24, 31)] {
        check_batch(&towers(true), size, 2);
    }
}

#[test]
fn shared_weights_are_kept_once() {
    let bytes = |model: &Model| model.network(&PlanOptions::default()).unwrap().weight_bytes();
    let (mut levels, large) = Model::with_map(24);
    levels.depthwise(large, Window::same((3, 3), 2), Activation::Identity);
    let [levels, shared, own] = [&levels, &towers(true), &towers(false)].map(bytes);
    assert_eq!(own - levels, 2 * (shared - levels));
}

#[test]
fn concatenations() {
    for size in [(1, 1), (9, 14), (40, 40)] {
        let (mut model, x) = Model::with_map(13);
        let y = model.pointwise(x, 8, Activation::Relu, None);
        let all = model.concat(&[x, y, x]);
        let one = model.concat(&[y]);
        let z = model.pointwise(all, 7, Activation::Identity, None);
        model.outputs = vec![all, one, z];
        check_batch(&model, size, 3);
    }
}

/// Shared weights in bytes have one range, which holds the values of all maps: none is clipped.
#[test]
fn shared_weights_in_bytes() {
    let (mut model, x) = Model::with_map(24);
    let small = model.activation(x, None, Activation::HardSigmoid);
    let first = model.pointwise(small, 10, Activation::Identity, None);
    let large = (0..6).fold(x, |x, _| model.activation(x, Some(x), Activation::Identity));
    let second = model.repeat(first, large);
    let third = model.repeat(second, x);
    model.outputs = vec![first, second, third];
    let (size, shape) = ((5, 6), [1, 3, 5, 6]);
    let input = pictures(&model, size, 1);
    for isa in AnyIsa::available() {
        let options = PlanOptions::default().with_isa(isa);
        let network = model.network(&options).unwrap();
        let exact = run(&network, shape, 1, &input).unwrap();
        let ranges = calibrated(&network, shape, &input);
        let [range] = ranges.ranges() else { panic!("one matrix: {ranges:?}") };
        let step = (range.max - range.min) / 255.0;
        let options = options.with_precision(Precision::Int8).with_calibration(ranges);
        let found = run(&model.network(&options).unwrap(), shape, 1, &input).unwrap();
        for (found, exact) in found.iter().flatten().zip(exact.iter().flatten()) {
            let error = (found - exact).abs();
            assert!(error < 20.0 * step, "{isa:?}: found {found}, expected {exact}");
        }
    }
}
