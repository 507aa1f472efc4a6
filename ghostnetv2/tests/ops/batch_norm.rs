//! Batch-norm, in both modes.

use crate::finite_differences::{check, check_curved, values};
use candle::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use ghostnetv2::BatchNorm2d;
use ghostnetv2::ops::{batch_norm_train, channel_affine};
use proptest::prelude::*;

const EPSILON: f64 = 1e-5;

fn operands(b: usize, c: usize, h: usize, w: usize) -> [Tensor; 3] {
    // Far from mean 0 and deviation 1, as little as a network has it in places.
    let x = (values(1, (b, c, h, w)) * 3.0).unwrap() + 20.0;
    [x.unwrap(), (values(2, c) + 1.5).unwrap(), values(3, c)]
}

#[test]
fn gradients_in_training() -> Result<()> {
    for (b, c, h, w) in [(2, 3, 5, 7), (3, 2, 1, 1), (1, 4, 3, 9), (2, 1, 17, 13)] {
        let name = format!("{b}x{c}x{h}x{w}");
        check_curved(&name, &operands(b, c, h, w), |o| {
            Ok(batch_norm_train(&o[0], &o[1], &o[2], EPSILON)?.0)
        })?;
    }
    Ok(())
}

#[test]
fn gradients_in_evaluation() -> Result<()> {
    for (b, c, h, w) in [(2, 3, 5, 7), (3, 2, 1, 1), (0, 2, 3, 3)] {
        let name = format!("{b}x{c}x{h}x{w}");
        let [_, scale, shift] = operands(b, c, h, w);
        let x = values(4, (b, c, h, w));
        check(&name, &[x, scale, shift], |o| channel_affine(&o[0], &o[1], &o[2]))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn single_precision_is_double_rounded(
        b in 1usize..4, c in 1usize..20, h in 1usize..40, w in 1usize..40,
    ) {
        prop_assume!(b * h * w > 1);
        let gradients = |dtype| -> Result<Vec<Tensor>> {
            let vars: Vec<Var> = operands(b, c, h, w)
                .iter()
                .map(|t| Var::from_tensor(&t.to_dtype(dtype)?))
                .collect::<Result<_>>()?;
            let (y, moments) = batch_norm_train(&vars[0], &vars[1], &vars[2], EPSILON)?;
            let weights = values(5, y.shape()).to_dtype(dtype)?;
            let found = (&y * weights)?.sum_all()?.backward()?;
            let mut all = vec![y, moments.mean, moments.variance];
            all.extend(vars.iter().map(|var| found.get(var).unwrap().clone()));
            all.iter().map(|t| t.to_dtype(DType::F64)).collect()
        };
        let (single, double) = (gradients(DType::F32).unwrap(), gradients(DType::F64).unwrap());
        let size = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
        // A mean near 20 is rounded, and a channel of few values may hardly deviate from it: there the rounding counts
        // twice, in the normalised values and in what the gradient divides by the deviation.
        let variance = double[2].min_all().unwrap().to_scalar::<f64>().unwrap();
        let deviation = (variance + EPSILON).sqrt();
        let rounding = 23.0 * f64::from(f32::EPSILON) / deviation;
        let terms = size(&values(5, (b, c, h, w)).to_dtype(DType::F64).unwrap()) / deviation;
        for (i, (single, double)) in single.iter().zip(&double).enumerate() {
            let error = size(&(single - double).unwrap());
            let size = size(double);
            let allowed = 2e-5 * size + 1e-4 + 4.0 * rounding * (size + terms);
            prop_assert!(error < allowed, "result {i}: off by {error}, {allowed} allowed");
        }
    }
}

#[test]
fn running_statistics_follow_by_a_tenth() -> Result<()> {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let norm = BatchNorm2d::new(1, EPSILON, vb)?;
    // torch.nn.BatchNorm2d(1) after the same: mean 3.5, unbiased variance 3.5.
    let x = Tensor::arange(1f32, 7.0, &Device::Cpu)?.reshape((1, 1, 2, 3))?;
    assert!(!norm.is_frozen());
    norm.forward_t(&x, true)?;
    let one = |t: &Tensor| t.to_vec1::<f32>().map(|v| v[0]);
    assert!((one(norm.running_mean())? - 0.35).abs() < 1e-6);
    assert!((one(norm.running_var())? - 1.25).abs() < 1e-6);
    norm.forward_t(&x, false)?;
    assert!((one(norm.running_var())? - 1.25).abs() < 1e-6, "evaluation changes nothing");
    Ok(())
}

#[test]
fn without_variables_for_statistics_it_is_frozen() -> Result<()> {
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    let norm = BatchNorm2d::new(2, EPSILON, vb)?;
    let x = Var::from_tensor(&values(1, (1, 2, 1, 1)))?; // of which training would see one value
    assert!(norm.is_frozen());
    let y = norm.forward_t(&x, true)?;
    assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.0; 2]);
    assert!(y.sum_all()?.backward()?.get(&x).is_some());
    Ok(())
}

#[test]
fn one_value_for_a_channel_is_refused() {
    let [x, weight, bias] = operands(1, 3, 1, 1);
    for dtype in [DType::F32, DType::F64] {
        let as_type = |t: &Tensor| t.to_dtype(dtype).unwrap();
        let found = batch_norm_train(&as_type(&x), &as_type(&weight), &as_type(&bias), EPSILON);
        assert!(found.unwrap_err().to_string().contains("at least 2 values for each channel"));
    }
    let wrong = batch_norm_train(&values(1, (2, 2, 1, 1)), &weight, &bias, EPSILON);
    assert!(wrong.unwrap_err().to_string().contains("2 channels"));
}
