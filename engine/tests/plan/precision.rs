//! Weights in bfloat16: rounded to nearest, ties to even, and half as large.

use std::sync::Arc;

use engine::{
    isa::AnyIsa,
    plan::{Activation, NetworkBuilder, PlanOptions, Precision, Window},
};

use crate::check::{every_dot, run};
use crate::int8::{sums_of, whole};
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

/// Whole numbers that bfloat16 holds, so that all sums are exact in any order: in tile registers,
/// in pairs, and widened.
#[test]
fn sums_are_those_of_plain_loops() {
    let sizes = [(1, 1), (1, 3), (3, 5), (4, 4), (7, 7), (5, 13)];
    for (case, k) in [1, 16, 31, 32, 33, 47, 64, 65, 96, 200, 513].into_iter().enumerate() {
        for (n, size) in [1, 8, 16, 17, 33, 48, 70].into_iter().zip(sizes.iter().cycle().skip(case))
        {
            for kind in [0, 2] {
                check_sums(kind, k, n, *size);
            }
        }
    }
}

fn check_sums(kind: usize, k: usize, n: usize, size: (usize, usize)) {
    let (pixels, batch) = (size.0 * size.1, 2);
    let (weights, input) =
        (whole(n * k, 5, (-15.0, 15.0)), whole(batch * k * pixels, 9, (-9.0, 9.0)));
    let mut expected = Vec::new();
    for picture in input.chunks_exact(k * pixels) {
        for row in weights.chunks_exact(k) {
            for pixel in 0..pixels {
                let product = |(c, w): (usize, &f32)| w * picture[c * pixels + pixel];
                expected.push(row.iter().enumerate().map(product).sum::<f32>());
            }
        }
    }
    for isa in every_dot() {
        let options = PlanOptions::default().with_isa(isa).with_precision(Precision::Bf16);
        let network = sums_of(&options, kind, k, &weights);
        for threads in 1..=2 {
            let found = run(&network, [batch, k, size.0, size.1], threads, &input).unwrap();
            assert!(
                found[0] == expected,
                "{isa:?}: kind {kind}, {k} factors, {n} columns, {size:?}"
            );
        }
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
