//! Products of bytes: exact sums on every instruction set, and errors no larger than rounding.

use std::sync::Arc;

use engine::{
    isa::AnyIsa,
    plan::{
        Activation, Calibration, Join, Network, NetworkBuilder, OperandRange, PlanError,
        PlanOptions, Precision, Value, Window,
    },
};
use proptest::prelude::*;

use crate::check::{bits, every_dot, run};
use crate::oracle::numbers;
use crate::strategies::cases;

/// A network's first map: the channels of the input as they are.
fn copied(builder: &mut NetworkBuilder, input: Value, channels: usize) -> Value {
    let mut identity = vec![0.0; channels * channels];
    (0..channels).for_each(|channel| identity[channel * (channels + 1)] = 1.0);
    let bias = vec![0.0; channels];
    let window = Window::same((1, 1), 1);
    builder.conv(input, window, (&identity, &bias), Activation::Identity).unwrap()
}

fn range(node: usize, channels: usize, (min, max): (f32, f32)) -> OperandRange {
    OperandRange { node, channels, min, max }
}

fn options(isa: AnyIsa, nodes: usize, ranges: &[OperandRange]) -> PlanOptions {
    let calibration = Calibration::from_ranges(nodes, ranges.iter().copied()).unwrap();
    let options = PlanOptions::default().with_isa(isa).with_precision(Precision::Int8);
    options.with_calibration(calibration)
}

/// Whole numbers from `least` to `most` without order, both of them among the first.
pub(crate) fn whole(count: usize, seed: u32, (least, most): (f32, f32)) -> Vec<f32> {
    let mut values = numbers(count, seed);
    for (i, value) in values.iter_mut().enumerate() {
        let middle = (least + (*value + 1.0) / 2.0 * (most - least)).round().clamp(least, most);
        *value = [most, least, middle, middle, middle][i % 5];
    }
    values
}

/// `n` rows of `k` weights whose largest is 127: they are packed as they are.
fn whole_weights(k: usize, n: usize) -> Vec<f32> {
    let mut weights = whole(n * k, 5, (-127.0, 127.0));
    for row in weights.chunks_exact_mut(k) {
        row[0] = -127.0;
    }
    weights
}

/// Three networks of one matrix each, whose outputs are its sums: a pointwise convolution, a
/// linear layer on the means of pictures of one pixel, a ghost module without cheap features.
pub(crate) fn sums_of(
    options: &PlanOptions,
    kind: usize,
    k: usize,
    weights: &[f32],
) -> Arc<Network> {
    let (mut builder, input) = NetworkBuilder::new(options, k);
    let bias = vec![0.0; weights.len() / k];
    let x = copied(&mut builder, input, k);
    let (folded, identity) = ((weights, &bias[..]), Activation::Identity);
    let y = match kind {
        0 => builder.pointwise(x, folded, identity, None).unwrap(),
        1 => {
            let mean = builder.global_pool(x).unwrap();
            builder.linear(mean, folded, identity).unwrap()
        }
        _ => {
            let (cheap, n) = (vec![1.0; bias.len()], bias.len());
            let cheap = (Window::same((1, 1), 1), (&cheap[..], &bias[..]));
            builder.ghost((x, None), n, folded, cheap, identity, Join::None).unwrap()
        }
    };
    Arc::new(builder.build(&[y]))
}

fn check_sums(kind: usize, k: usize, n: usize, size: (usize, usize), batch: usize, signed: bool) {
    let size = if kind == 1 { (1, 1) } else { size };
    let pixels = size.0 * size.1;
    let ends = if signed { (-128.0, 127.0) } else { (0.0, 255.0) };
    let weights = whole_weights(k, n);
    let input = whole(batch * k * pixels, 9, ends);
    let mut expected = Vec::new();
    for picture in input.chunks_exact(k * pixels) {
        for row in weights.chunks_exact(k) {
            for pixel in 0..pixels {
                let products = row
                    .iter()
                    .enumerate()
                    .map(|(c, w)| *w as i64 * picture[c * pixels + pixel] as i64);
                expected.push(products.sum::<i64>() as f32);
            }
        }
    }
    let node = if kind == 1 { 3 } else { 2 };
    for isa in every_dot() {
        let options = options(isa, node + 1, &[range(node, k, ends)]);
        let network = sums_of(&options, kind, k, &weights);
        let found = run(&network, [batch, k, size.0, size.1], 1, &input).unwrap();
        assert!(
            found[0] == expected,
            "{isa:?}: kind {kind}, {k} factors, {n} columns, {batch} times {size:?}"
        );
    }
}

#[test]
fn every_number_of_factors() {
    for k in (1..=20).chain([33, 63, 64, 65, 200, 501]) {
        for kind in 0..3 {
            check_sums(kind, k, 7, (2, 3), 1, k % 2 == 0);
        }
    }
}

#[test]
fn every_number_of_columns_and_pixels() {
    for n in 1..=70 {
        check_sums(n % 3, 6, n, (1, n), 1, false);
    }
}

/// Batches go through linear layers together, and one picture streams through several panels.
#[test]
fn wide_linear_layers() {
    for n in [1, 17, 64, 100, 200, 333] {
        for batch in [1, 2, 9] {
            check_sums(1, 37, n, (1, 1), batch, true);
        }
    }
}

/// The largest products that there are, all of one sign: nothing may saturate.
#[test]
fn extreme_values() {
    for (weight, ends) in [(127.0, (0.0, 255.0)), (-127.0, (0.0, 255.0)), (127.0, (-255.0, 0.0))] {
        let (k, n) = (500, 33);
        let weights = vec![weight; n * k];
        let value = if ends.0 < 0.0 { ends.0 } else { ends.1 };
        for isa in every_dot() {
            let options = options(isa, 3, &[range(2, k, ends)]);
            let network = sums_of(&options, 0, k, &weights);
            let found = run(&network, [1, k, 3, 5], 1, &vec![value; k * 15]).unwrap();
            assert_eq!(found[0], vec![weight * value * k as f32; n * 15], "{isa:?}");
        }
    }
}

/// What is outside of the range becomes its end.
#[test]
fn values_beyond_the_range_are_clipped() {
    let input = [300.0, 1e30, f32::INFINITY, -5.0, f32::NEG_INFINITY, 12.0];
    for isa in every_dot() {
        let network = sums_of(&options(isa, 3, &[range(2, 1, (0.0, 255.0))]), 0, 1, &[127.0]);
        let found = run(&network, [1, 1, 1, 6], 1, &input).unwrap();
        assert_eq!(found[0], [255.0, 255.0, 255.0, 0.0, 0.0, 12.0].map(|x| 127.0 * x), "{isa:?}");
    }
}

/// Two layers of real numbers and their errors: half a unit for each number that is rounded, as
/// far as it counts, and what came before.
#[test]
fn errors_are_within_what_rounding_allows() {
    let (k, m, n, pixels) = (37, 50, 21, 12);
    let (first, second) = (numbers(m * k, 1), numbers(n * m, 2));
    let (first_bias, second_bias) = (numbers(m, 3), numbers(n, 4));
    let input: Vec<f32> = numbers(k * pixels, 5).iter().map(|x| 3.0 * x).collect();
    let build = |options: &PlanOptions| {
        let (mut builder, x) = NetworkBuilder::new(options, k);
        let x = copied(&mut builder, x, k);
        let x = builder.pointwise(x, (&first, &first_bias), Activation::Relu, None).unwrap();
        let identity = Activation::Identity;
        let y = builder.pointwise(x, (&second, &second_bias), identity, None).unwrap();
        Arc::new(builder.build(&[x, y]))
    };
    for isa in every_dot() {
        let single = build(&PlanOptions::default().with_isa(isa));
        let shape = [1, k, 3, 4];
        let exact = run(&single, shape, 1, &input).unwrap();
        let calibration = calibrated(&single, shape, &input);
        let steps: Vec<f32> =
            calibration.ranges().iter().map(|range| (range.max - range.min) / 255.0).collect();
        let options = PlanOptions::default().with_isa(isa).with_precision(Precision::Int8);
        let found = run(&build(&options.with_calibration(calibration)), shape, 1, &input).unwrap();
        // The bound of a layer's outputs from that of its inputs, all rounded to steps of `step`.
        let bound = |weights: &[f32], x: &[f32], errors: &[f32], step: f32| -> Vec<f32> {
            let of = |row: &[f32], pixel: usize| -> f32 {
                let largest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
                let half = largest / 127.0 / 2.0;
                let each = |(c, w): (usize, &f32)| {
                    let at = c * pixels + pixel;
                    let input = errors[at] + step / 2.0;
                    w.abs() * input + half * (x[at].abs() + input)
                };
                row.iter().enumerate().map(each).sum::<f32>() * 1.001 + 1e-4
            };
            let rows = weights.chunks_exact(x.len() / pixels);
            rows.flat_map(|row| (0..pixels).map(|pixel| of(row, pixel)).collect::<Vec<_>>())
                .collect()
        };
        let hidden = bound(&first, &input, &vec![0.0; input.len()], steps[0]);
        let last = bound(&second, &exact[0], &hidden, steps[1]);
        for (bounds, layer) in [hidden, last].iter().zip(0..) {
            for ((found, exact), bound) in found[layer].iter().zip(&exact[layer]).zip(bounds) {
                let error = (found - exact).abs();
                assert!(error <= *bound, "{isa:?}, layer {layer}: {error} is more than {bound}");
            }
        }
        assert!(bits(&found) != bits(&exact), "something was rounded");
    }
}

/// Ranges of a network's values on one batch.
pub(crate) fn calibrated(network: &Arc<Network>, shape: [usize; 4], input: &[f32]) -> Calibration {
    let plan = network.plan(shape, &PlanOptions::default().with_threads(1)).unwrap();
    let mut scratch = plan.scratch().unwrap();
    let lens = plan.output_shapes().iter().map(|output| shape[0] * output.len());
    let mut outputs: Vec<Vec<f32>> = lens.map(|len| vec![0.0; len]).collect();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
    let mut calibration = Calibration::default();
    plan.calibrate(&mut scratch, input, &mut slices, &mut calibration).unwrap();
    calibration
}

/// A module whose input is scaled: the calibrated range is that of the scaled values.
#[test]
fn scaled_inputs_have_a_range_of_their_own() {
    let build = |options: &PlanOptions| {
        let (mut builder, x) = NetworkBuilder::new(options, 2);
        let x = copied(&mut builder, x, 2);
        let mean = builder.global_pool(x).unwrap();
        let scale = builder.linear(mean, (&[0.0; 4], &[0.5, 3.0]), Activation::Identity).unwrap();
        let (weights, zero, one) = ([1.0, 0.0, 0.0, 1.0], [0.0; 2], [1.0; 2]);
        let identity = Activation::Identity;
        let cheap = (Window::same((1, 1), 1), (&one[..], &zero[..]));
        let y = builder.ghost((x, Some(scale)), 2, (&weights, &zero), cheap, identity, Join::None);
        Arc::new(builder.build(&[y.unwrap()]))
    };
    let input = [4.0, -2.0, 8.0, 0.0, 1.0, -1.0, 2.0, 0.0];
    let calibration = calibrated(&build(&PlanOptions::default()), [1, 2, 2, 2], &input);
    let range = calibration.ranges()[1];
    assert_eq!((range.node, range.min, range.max), (4, -3.0, 6.0));
    for isa in every_dot() {
        let options = PlanOptions::default().with_isa(isa).with_precision(Precision::Int8);
        let network = build(&options.with_calibration(calibration.clone()));
        let found = run(&network, [1, 2, 2, 2], 1, &input).unwrap();
        for (found, expected) in found[0].iter().zip([2.0, -1.0, 4.0, 0.0, 3.0, -3.0, 6.0, 0.0]) {
            assert!((found - expected).abs() <= 0.51 * 9.0 / 255.0, "{found} for {expected}");
        }
    }
}

#[test]
fn ranges_grow_and_merge() {
    let network = sums_of(&PlanOptions::default(), 0, 1, &[1.0]);
    let (low, high) = ([-1.0, 0.5], [2.0, 1.0]);
    let [mut low, high] = [low, high].map(|input| calibrated(&network, [1, 1, 1, 2], &input));
    assert_eq!((low.ranges()[0].min, low.ranges()[0].max), (-1.0, 0.5));
    assert_eq!((high.ranges()[0].min, high.ranges()[0].max), (0.0, 2.0), "0 is in every range");
    low.merge(&high).unwrap();
    assert_eq!((low.ranges()[0].min, low.ranges()[0].max), (-1.0, 2.0));
    let again = Calibration::from_ranges(low.nodes(), low.ranges().iter().copied()).unwrap();
    assert_eq!(again, low);
    let mut none = Calibration::default();
    none.merge(&low).unwrap();
    low.merge(&Calibration::default()).unwrap();
    assert_eq!(none, low);
}

#[test]
fn what_does_not_fit_is_refused() {
    let int8 = PlanOptions::default().with_precision(Precision::Int8);
    let try_build = |options: &PlanOptions, k: usize| {
        let (mut builder, input) = NetworkBuilder::new(options, k);
        let x = copied(&mut builder, input, k);
        let (weights, bias) = (vec![1.0; k], [0.0]);
        let y = builder.pointwise(x, (&weights, &bias), Activation::Identity, None)?;
        Arc::new(builder.build(&[y])).plan([1, k, 1, 1], options).map(drop)
    };
    let from = |nodes, ranges: &[OperandRange]| {
        let calibration = Calibration::from_ranges(nodes, ranges.iter().copied())?;
        try_build(&int8.clone().with_calibration(calibration), 4)
    };
    let good = range(2, 4, (0.0, 1.0));
    assert_eq!(from(3, &[good]), Ok(()));
    let single = sums_of(&PlanOptions::default(), 0, 4, &[1.0; 4]);
    let calibrate = |network: &Arc<Network>, input: f32, mut ranges: Calibration| {
        let plan = network.plan([1, 4, 1, 1], &PlanOptions::default()).unwrap();
        let mut scratch = plan.scratch().unwrap();
        plan.calibrate(&mut scratch, &[input; 4], &mut [&mut [0.0]], &mut ranges)
    };
    let other = Calibration::from_ranges(7, [good]).unwrap();
    let wide = Calibration::from_ranges(3, [range(2, 5, (0.0, 1.0))]).unwrap();
    let bytes = sums_of(&int8.clone().with_calibration(wide_of(4)), 0, 4, &[1.0; 4]);
    for (result, expected) in [
        (try_build(&int8, 4), "run Plan::calibrate of an f32 plan"),
        (from(3, &[]), "no range for operation 2"),
        (from(4, &[good]), "ranges of 4 operations: the network has 3"),
        (from(3, &[range(2, 5, (0.0, 1.0))]), "a range of 5 channels for operation 2"),
        (from(3, &[range(3, 4, (0.0, 1.0))]), "operation 3 of 3"),
        (from(3, &[good, good]), "two ranges for operation 2"),
        (from(3, &[range(2, 4, (1.0, 2.0))]), "around 0"),
        (from(3, &[range(2, 4, (0.0, f32::INFINITY))]), "around 0"),
        (from(3, &[range(2, 4, (f32::NAN, 1.0))]), "around 0"),
        (from(3, &[range(2, 4, (f32::MIN, f32::MAX))]), "around 0"),
        (from(3, &[range(2, 0, (0.0, 1.0))]), "around 0"),
        (calibrate(&single, f32::NAN, Calibration::default()), "was given NaN"),
        (calibrate(&single, 1.0, other), "ranges of 7 operations: the network has 3"),
        (calibrate(&single, 1.0, wide), "a range of 5 channels"),
        (calibrate(&bytes, 1.0, Calibration::default()), "expected an f32 plan"),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, PlanError::Calibration { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}: expected {expected}");
    }
}

fn wide_of(channels: usize) -> Calibration {
    Calibration::from_ranges(3, [range(2, channels, (0.0, 1.0))]).unwrap()
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_sums(
        kind in 0..3usize,
        k in 1..150usize,
        n in 1..150usize,
        size in (1..12usize, 1..12usize),
        batch in 1..4usize,
        signed in any::<bool>(),
    ) {
        check_sums(kind, k, n, size, batch, signed);
    }
}
