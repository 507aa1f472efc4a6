//! Weights that are kept once and used on several maps, and concatenated maps.

use engine::plan::{Activation, PlanOptions, Window};

use crate::check::check_batch;
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
