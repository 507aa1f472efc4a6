//! Properties of the depthwise kernels at random shapes.

mod common;

use common::{Inputs, Results, whole_numbers};
use engine::{
    isa::AnyIsa,
    kernels::depthwise::{self, DepthwiseShape},
};
use proptest::prelude::*;

fn pair(
    first: impl Strategy<Value = usize>,
    second: impl Strategy<Value = usize>,
) -> impl Strategy<Value = (usize, usize)> {
    (first, second)
}

/// Shapes of all kinds; those that are refused are drawn again.
fn shapes() -> impl Strategy<Value = DepthwiseShape> {
    let kernels = prop_oneof![
        Just((3, 3)),
        Just((5, 5)),
        Just((1, 5)),
        Just((5, 1)),
        pair(1..8usize, 1..8usize)
    ];
    let strides = prop_oneof![Just((1, 1)), Just((2, 2)), pair(1..5usize, 1..5usize)];
    (
        0..3usize,
        1..9usize,
        pair(1..40usize, 1..70usize),
        kernels,
        strides,
        pair(0..9usize, 0..9usize),
    )
        .prop_filter_map(
            "kernel too large",
            |(batch, channels, input, kernel, stride, padding)| {
                DepthwiseShape::new(batch, channels, input, kernel, stride, padding).ok()
            },
        )
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn kernels_equal_the_oracles(shape in shapes()) {
        let inputs = Inputs::whole(&shape);
        let expected = Results::reference(&shape, &inputs);
        for isa in AnyIsa::available() {
            prop_assert_eq!(Results::on(isa, &shape, &inputs).unwrap(), expected.clone());
        }
    }

    #[test]
    fn kernels_are_close_to_the_oracles_where_sums_round(
        shape in shapes(),
        values in prop::collection::vec(-1.0f32..1.0, 997),
    ) {
        let take = |len, skip| values.iter().cycle().skip(skip).take(len).copied().collect();
        let inputs = Inputs {
            x: take(shape.input_len(), 0),
            w: take(shape.weight_len(), 100),
            bias: take(shape.channels(), 200),
            gy: take(shape.output_len(), 300),
        };
        let expected = Results::reference(&shape, &inputs);
        // An f32 sum of n products below 1 is off by less than n half units of n.
        let (kh, kw) = shape.kernel();
        let (oh, ow) = shape.output();
        let close = |a: &[f32], b: &[f32], terms: usize| {
            let tolerance = 1e-6 * (terms as f32 + 1.0);
            a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
        };
        for isa in AnyIsa::available() {
            let results = Results::on(isa, &shape, &inputs).unwrap();
            prop_assert!(close(&results.y, &expected.y, kh * kw));
            prop_assert!(close(&results.y_with_bias, &expected.y_with_bias, kh * kw));
            prop_assert!(close(&results.gx, &expected.gx, kh * kw));
            prop_assert!(close(&results.gw, &expected.gw, shape.batch() * oh * ow));
        }
    }

    /// `<gy, conv(x, w)> = <grad_input(gy), x> = <grad_weight(gy), w>`: no oracle needed.
    #[test]
    fn gradients_are_adjoint(shape in shapes()) {
        let Inputs { x, w, gy, .. } = Inputs::whole(&shape);
        let mut y = vec![0.0; shape.output_len()];
        depthwise::forward(&shape, &x, &w, None, &mut y).unwrap();
        let mut gx = vec![0.0; shape.input_len()];
        depthwise::grad_input(&shape, &w, &gy, &mut gx).unwrap();
        let mut gw = vec![0.0; shape.weight_len()];
        depthwise::grad_weight(&shape, &x, &gy, &mut gw).unwrap();
        prop_assert_eq!(dot(&gy, &y), dot(&gx, &x));
        prop_assert_eq!(dot(&gy, &y), dot(&gw, &w));
    }

    /// The convolution of a sum is the sum of the convolutions.
    #[test]
    fn forward_is_linear(shape in shapes()) {
        let Inputs { x, w, bias, .. } = Inputs::whole(&shape);
        let other = whole_numbers(x.len(), 9);
        let sum: Vec<f32> = x.iter().zip(&other).map(|(a, b)| a + b).collect();
        let conv = |x: &[f32], bias| {
            let mut y = vec![0.0; shape.output_len()];
            depthwise::forward(&shape, x, &w, bias, &mut y).unwrap();
            y
        };
        let parts = conv(&x, Some(&bias)).into_iter().zip(conv(&other, None));
        prop_assert_eq!(conv(&sum, Some(&bias)), parts.map(|(a, b)| a + b).collect::<Vec<_>>());
    }
}
