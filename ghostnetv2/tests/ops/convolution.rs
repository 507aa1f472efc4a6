//! Dense and depthwise convolution.

use crate::finite_differences::{check, values};
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::ops::{Conv2dParams, ConvAlgorithm, conv2d, depthwise_conv2d};
use proptest::prelude::*;

const OURS: [ConvAlgorithm; 2] = [ConvAlgorithm::Kernels, ConvAlgorithm::CandleOps];

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    if a.elem_count() == 0 {
        return 0.0;
    }
    (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn depthwise_equals_candles_groups(
        b in 0usize..3, c in 1usize..6, h in 1usize..20, w in 1usize..40,
        kh in 1usize..6, kw in 1usize..6, stride in 1usize..4, ph in 0usize..4, pw in 0usize..4,
        dilation in 1usize..4,
    ) {
        prop_assume!(h + 2 * ph > (kh - 1) * dilation && w + 2 * pw > (kw - 1) * dilation);
        let (x, k) = (values(1, (b, c, h, w)), values(2, (c, 1, kh, kw)));
        let params = Conv2dParams { stride, padding: (ph, pw), dilation, groups: c };
        let run = |algorithm| conv2d(&x, &k, params, algorithm).unwrap();
        let ours = OURS.map(run);
        if b > 0 {
            let expected = run(ConvAlgorithm::Stock);
            prop_assert!(ours.iter().all(|y| difference(y, &expected) < 1e-5));
        }
        prop_assert!(difference(&ours[0], &ours[1]) < 1e-5);
    }

    #[test]
    fn dense_equals_candles(
        b in 1usize..3, c in 1usize..5, o in 1usize..5, h in 1usize..20, w in 1usize..20,
        kh in 1usize..5, kw in 1usize..5, stride in 1usize..4, ph in 0usize..3, pw in 0usize..3,
        dilation in 1usize..4,
    ) {
        prop_assume!(h + 2 * ph > (kh - 1) * dilation && w + 2 * pw > (kw - 1) * dilation);
        let (x, k) = (values(3, (b, c, h, w)), values(4, (o, c, kh, kw)));
        let params = Conv2dParams { stride, padding: (ph, pw), dilation, groups: 1 };
        let run = |algorithm| conv2d(&x, &k, params, algorithm).unwrap();
        prop_assert!(difference(&run(ConvAlgorithm::Kernels), &run(ConvAlgorithm::Stock)) < 1e-5);
    }
}

#[test]
fn depthwise_gradients() -> Result<()> {
    let cases = [
        // picture, kernel, stride, padding
        ((7, 7), (3, 3), (1, 1), (1, 1)),
        ((7, 9), (5, 5), (2, 2), (2, 2)),
        ((8, 7), (3, 3), (2, 2), (1, 1)),
        ((3, 5), (1, 5), (1, 1), (0, 2)),
        ((5, 3), (5, 1), (1, 1), (2, 0)),
        ((1, 1), (5, 5), (2, 2), (2, 2)),
        ((11, 17), (3, 3), (3, 2), (0, 2)),
        ((4, 35), (2, 4), (1, 2), (1, 3)),
    ];
    for (size, kernel, stride, padding) in cases {
        let operands = [values(5, (2, 3, size.0, size.1)), values(6, (3, 1, kernel.0, kernel.1))];
        for algorithm in OURS {
            let name = format!("{size:?} {kernel:?} {stride:?} {padding:?} {algorithm:?}");
            check(&name, &operands, |o| {
                depthwise_conv2d(&o[0], &o[1], stride, padding, algorithm)
            })?;
        }
    }
    Ok(())
}

#[test]
fn dense_gradients() -> Result<()> {
    for (size, kernel, stride, padding) in [
        ((8, 7), (3, 3), 2, (1, 1)), // candle's own refuses sides of different parity
        ((7, 5), (1, 1), 1, (0, 0)),
        ((5, 6), (1, 5), 1, (0, 2)),
        ((5, 6), (3, 2), 3, (2, 0)),
    ] {
        let operands = [values(7, (2, 3, size.0, size.1)), values(8, (4, 3, kernel.0, kernel.1))];
        let params = Conv2dParams { stride, padding, dilation: 1, groups: 1 };
        let name = format!("{size:?} {kernel:?} {stride} {padding:?}");
        check(&name, &operands, |o| conv2d(&o[0], &o[1], params, ConvAlgorithm::Kernels))?;
    }
    Ok(())
}

#[test]
fn views_and_other_types() -> Result<()> {
    let (x, k) = (values(9, (1, 9, 3, 8)).transpose(1, 2)?, values(10, (3, 1, 3, 3)));
    let run =
        |x: &Tensor, k: &Tensor| depthwise_conv2d(x, k, (1, 1), (1, 1), ConvAlgorithm::Kernels);
    let expected = run(&x.contiguous()?, &k)?;
    assert_eq!(difference(&run(&x, &k)?, &expected), 0.0);
    let wide = run(&x.to_dtype(DType::F64)?, &k.to_dtype(DType::F64)?)?;
    assert_eq!(wide.dtype(), DType::F64);
    assert!(difference(&wide.to_dtype(DType::F32)?, &expected) < 1e-5);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = Tensor::zeros((1, 4, 5, 5), DType::F32, &Device::Cpu).unwrap();
    let kernel = |dims: [usize; 4]| Tensor::zeros(&dims, DType::F32, &Device::Cpu).unwrap();
    let run = |dims, stride, padding, dilation, groups| {
        let params = Conv2dParams { stride, padding, dilation, groups };
        conv2d(&x, &kernel(dims), params, ConvAlgorithm::Kernels).unwrap_err().to_string()
    };
    assert!(run([4, 1, 7, 3], 1, (0, 1), 1, 4).contains("does not fit"));
    assert!(run([4, 1, 3, 3], 0, (1, 1), 1, 4).contains("does not fit"));
    assert!(run([4, 1, 3, 3], 1, (usize::MAX, 1), 1, 4).contains("does not fit"));
    assert!(run([4, 1, 3, 3], 1, (1, 1), 0, 4).contains("does not fit"));
    assert!(run([4, 1, 3, 3], 1, (1, 1), 4, 4).contains("dilation 4 does not fit"));
    assert!(run([4, 1, 3, 3], 1, (1, 1), usize::MAX, 4).contains("does not fit"));
    assert!(run([4, 3, 3, 3], 1, (1, 1), 1, 1).contains("4 channels"));
    assert!(run([4, 2, 3, 3], 1, (1, 1), 1, 2).contains("groups"));
    assert!(run([8, 1, 3, 3], 1, (1, 1), 1, 4).contains("groups"));
}
