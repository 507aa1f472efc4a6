//! The depthwise kernels against the naive oracles, on every instruction set that the CPU has.

mod common;

use common::{Inputs, Results};
use engine::{
    ShapeError,
    isa::AnyIsa,
    kernels::{
        depthwise::{self, DepthwiseShape},
        reference,
    },
};

type Pair = (usize, usize);

const SIZES: &[Pair] = &[
    (1, 1),
    (1, 2),
    (1, 37),
    (23, 1),
    (3, 3),
    (4, 4),
    (5, 8),
    (7, 7),
    (9, 15),
    (14, 14),
    (8, 16),
    (13, 17),
    (28, 33),
];
const KERNELS: &[Pair] =
    &[(1, 1), (3, 3), (5, 5), (1, 5), (5, 1), (2, 2), (3, 5), (4, 1), (1, 2), (7, 7)];
const STRIDES: &[Pair] = &[(1, 1), (2, 2), (3, 3), (1, 2), (2, 1), (4, 7)];
const PADDINGS: &[Pair] = &[(0, 0), (1, 1), (2, 2), (0, 2), (2, 0), (3, 5), (9, 6)];

fn check(shape: &DepthwiseShape) {
    let inputs = Inputs::whole(shape);
    let expected = Results::reference(shape, &inputs);
    for isa in AnyIsa::available() {
        let results = Results::on(isa, shape, &inputs).expect("the slices fit the shape");
        assert_eq!(results.y, expected.y, "forward of {shape:?} on {}", isa.name());
        assert_eq!(results, expected, "{shape:?} on {}", isa.name());
    }
}

fn say_what_is_left_out() {
    for name in AnyIsa::missing() {
        println!("left out: this CPU has no {name}");
    }
}

#[test]
fn every_combination_of_small_sizes() {
    say_what_is_left_out();
    let (mut checked, mut refused) = (0, 0);
    for &size in SIZES {
        for &kernel in KERNELS {
            for &stride in STRIDES {
                for &padding in PADDINGS {
                    match DepthwiseShape::new(1, 3, size, kernel, stride, padding) {
                        Ok(shape) => {
                            check(&shape);
                            checked += 1;
                        }
                        Err(error) => {
                            let expected =
                                ShapeError::KernelTooLarge { kernel, input: size, padding };
                            assert_eq!(error, expected);
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(checked > 4000 && refused > 100, "{checked} checked, {refused} refused");
}

#[test]
fn batches_and_channels() {
    for batch in [0, 1, 2] {
        for channels in [1, 3, 20] {
            for (size, kernel, stride) in [
                ((7, 7), (3, 3), 1),
                ((14, 14), (5, 5), 2),
                ((3, 3), (1, 5), 1),
                ((3, 3), (5, 1), 1),
            ] {
                let padding = (kernel.0 / 2, kernel.1 / 2);
                let stride = (stride, stride);
                check(
                    &DepthwiseShape::new(batch, channels, size, kernel, stride, padding).unwrap(),
                );
            }
        }
    }
}

#[test]
fn pictures_that_need_several_bands() {
    for size in [(97, 161), (112, 112), (61, 700), (700, 61), (5, 5000)] {
        for (kernel, stride) in [((3, 3), 1), ((3, 3), 2), ((5, 5), 1), ((5, 5), 2), ((1, 5), 1)] {
            let padding = (kernel.0 / 2, kernel.1 / 2);
            check(&DepthwiseShape::new(1, 2, size, kernel, (stride, stride), padding).unwrap());
        }
    }
}

#[test]
fn kernels_larger_than_the_picture() {
    for (kernel, padding) in [((5, 5), (2, 2)), ((7, 3), (3, 1)), ((9, 11), (4, 6))] {
        check(&DepthwiseShape::new(2, 3, (3, 3), kernel, (1, 1), padding).unwrap());
        check(&DepthwiseShape::new(2, 3, (3, 3), kernel, (2, 2), padding).unwrap());
    }
    let error = DepthwiseShape::new(1, 1, (3, 3), (6, 5), (1, 1), (1, 1)).unwrap_err();
    let expected = ShapeError::KernelTooLarge { kernel: (6, 5), input: (3, 3), padding: (1, 1) };
    assert_eq!(error, expected);
}

#[test]
fn strides_far_beyond_the_picture() {
    for stride in [100, 1 << (usize::BITS - 24), usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        for kernel in [(1, 1), (3, 3), (2, 4)] {
            for padding in [(0, 0), (1, 2), (3, 5)] {
                check(&DepthwiseShape::new(2, 2, (6, 9), kernel, (stride, 1), padding).unwrap());
                check(&DepthwiseShape::new(2, 2, (6, 9), kernel, (1, stride), padding).unwrap());
                check(&DepthwiseShape::new(2, 2, (6, 9), kernel, (stride, 2), padding).unwrap());
            }
        }
    }
}

/// The values of x that no output uses, and the edges, must not leak a NaN or an infinity.
#[test]
fn values_that_are_not_finite_stay_where_they_belong() {
    for (kernel, stride, padding) in
        [((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (0, 0)), ((2, 2), (3, 3), (1, 1))]
    {
        let shape = DepthwiseShape::new(1, 2, (12, 21), kernel, stride, padding).unwrap();
        for at in 0..shape.input_len() {
            let mut inputs = Inputs::whole(&shape);
            inputs.x[at] = f32::INFINITY;
            let expected = Results::reference(&shape, &inputs);
            for isa in AnyIsa::available() {
                let results = Results::on(isa, &shape, &inputs).unwrap();
                let same = |a: &f32, b: &f32| a == b || a.is_nan() && b.is_nan();
                assert!(results.y.iter().zip(&expected.y).all(|(a, b)| same(a, b)));
                assert!(results.gw.iter().zip(&expected.gw).all(|(a, b)| same(a, b)));
            }
        }
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    if cfg!(target_family = "wasm") {
        return println!("left out: this platform starts no threads");
    }
    // Enough work to be split, and odd numbers of planes; values whose sums do round.
    for (batch, channels, size, kernel, stride) in
        [(3, 37, (56, 55), (3, 3), 1), (2, 19, (61, 64), (5, 5), 2), (3, 301, (7, 7), (3, 3), 1)]
    {
        let padding = (kernel.0 / 2, kernel.1 / 2);
        let shape =
            DepthwiseShape::new(batch, channels, size, kernel, (stride, stride), padding).unwrap();
        let mut inputs = Inputs::whole(&shape);
        for values in [&mut inputs.x, &mut inputs.w, &mut inputs.bias, &mut inputs.gy] {
            values.iter_mut().enumerate().for_each(|(i, value)| *value /= 3.0 + (i % 5) as f32);
        }
        for isa in AnyIsa::available() {
            let results = [1, 2, 3].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| Results::on(isa, &shape, &inputs)).unwrap()
            });
            assert!(results[0].y.iter().all(|value| value.is_finite()));
            assert_eq!(results[0], results[1], "2 threads, {shape:?} on {}", isa.name());
            assert_eq!(results[0], results[2], "3 threads, {shape:?} on {}", isa.name());
        }
    }
}

#[test]
fn the_default_is_the_best_instruction_set() {
    let shape = DepthwiseShape::new(2, 5, (9, 14), (3, 3), (2, 2), (1, 1)).unwrap();
    let inputs = Inputs::whole(&shape);
    let expected = Results::on(AnyIsa::best(), &shape, &inputs).unwrap();
    let mut y = vec![0.0; shape.output_len()];
    depthwise::forward(&shape, &inputs.x, &inputs.w, Some(&inputs.bias), &mut y).unwrap();
    let mut gx = vec![0.0; shape.input_len()];
    depthwise::grad_input(&shape, &inputs.w, &inputs.gy, &mut gx).unwrap();
    let mut gw = vec![0.0; shape.weight_len()];
    depthwise::grad_weight(&shape, &inputs.x, &inputs.gy, &mut gw).unwrap();
    assert_eq!((y, gx, gw), (expected.y_with_bias, expected.gx, expected.gw));
}

/// A 3x3 filter over a 3x3 picture, by hand.
#[test]
fn the_oracle_agrees_with_a_hand_computed_case() {
    let shape = DepthwiseShape::new(1, 1, (3, 3), (3, 3), (2, 2), (1, 1)).unwrap();
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let w = [1.0, 0.0, -1.0, 2.0, 1.0, 0.0, 0.0, 3.0, 1.0];
    // Top left: w[1][1]·1 + w[1][2]·2 + w[2][1]·4 + w[2][2]·5 = 1 + 0 + 12 + 5, and so on.
    let y = reference::depthwise_forward(&shape, &x, &w, Some(&[0.5]));
    assert_eq!(y, [18.5, 25.5, 2.5, 30.5]);
    let gy = [1.0, 10.0, 100.0, 1000.0];
    let gx = reference::depthwise_grad_input(&shape, &w, &gy);
    assert_eq!(gx[..3], [1.0, 20.0, 10.0]);
    let gw = reference::depthwise_grad_weight(&shape, &x, &gy);
    assert_eq!(gw[4], 1.0 + 30.0 + 700.0 + 9000.0);
}
