//! Weights in bfloat16: rounded to nearest, ties to even, and half as large.

use std::sync::Arc;

use engine::{
    isa::AnyIsa,
    plan::{Activation, NetworkBuilder, PlanOptions, Precision, Window},
};

use crate::check::run;
use crate::model::{INPUT, Model};

/// Each weight comes out as it was packed: a product of a single one and 1.
fn packed(precision: Precision, isa: AnyIsa, weights: &[f32]) -> Vec<f32> {
    let options = PlanOptions::default().with_isa(isa).with_precision(precision);
    let (mut builder, input) = NetworkBuilder::new(&options, 1);
    let one = (&[1.0][..], &[0.0][..]);
    let x = builder.conv(input, Window::same((1, 1), 1), one, Activation::Identity).unwrap();
    let bias = vec![0.0; weights.len()];
    let y = builder.pointwise(x, (weights, &bias), Activation::Identity, None).unwrap();
    let mean = builder.global_pool(x).unwrap();
    let z = builder.linear(mean, (weights, &bias), Activation::Identity).unwrap();
    let network = Arc::new(builder.build(&[y, z]));
    assert_eq!(network.precision(), precision);
    let mut outputs = run(&network, [1, 1, 1, 1], 1, &[1.0]).unwrap();
    let linear = outputs.pop().unwrap();
    assert_eq!(outputs[0], linear, "a pointwise convolution and a linear layer pack the same");
    linear
}

#[test]
fn weights_are_rounded_to_the_nearest() {
    let weights = [
        (1.0, 1.0),
        (-0.3, -0.300_781_25),
        (1.0 + 1.0 / 256.0, 1.0), // a tie, to the even one below
        (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0), // a tie, to the even one above
        (1.0 + 1.01 / 256.0, 1.0 + 2.0 / 256.0),
        (-1.0 - 0.99 / 256.0, -1.0),
        (255.9, 256.0), // to the next power of two
        (1e-30, 9.984_021e-31),
        (0.0, 0.0),
    ];
    let values = weights.map(|(value, _)| value);
    let rounded = weights.map(|(_, rounded)| rounded);
    for isa in AnyIsa::available() {
        assert_eq!(packed(Precision::Bf16, isa, &values), rounded, "{}", isa.name());
        assert_eq!(packed(Precision::F32, isa, &values), values, "{}", isa.name());
    }
}

#[test]
fn large_weights_take_half_the_memory() {
    let mut model = Model::new(3);
    let x = model.conv(INPUT, Window::same((3, 3), 2), 16, Activation::Relu);
    let wide = model.pointwise(x, 640, Activation::Relu, None);
    let mean = model.global_pool(wide);
    let logits = model.linear(mean, 1000, Activation::Identity);
    model.outputs = vec![logits];
    let bytes = |precision| {
        let options = PlanOptions::default().with_precision(precision);
        model.network(&options).unwrap().weight_bytes()
    };
    let (single, half) = (bytes(Precision::F32), bytes(Precision::Bf16));
    assert!(half * 100 < single * 51, "{half} bytes instead of {single}");
}
