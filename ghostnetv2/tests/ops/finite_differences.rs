//! Gradients by central differences, on operands that are also used a second time.

use candle::{DType, Device, Result, Shape, Tensor, Var};

/// Values that look random, repeat, and are exact in f32.
pub(crate) fn values(seed: u64, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let mut state = seed;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 44) as f32) / 524_288.0 - 1.0
    };
    let data: Vec<f32> = (0..shape.elem_count()).map(next).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// Checks the gradients of an `f` that is linear in each operand, for which central differences are
/// exact up to rounding whatever the step: so it is large.
pub(crate) fn check(
    name: &str,
    operands: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    compare(name, operands, &f, DType::F32, 0.5, 2e-3)
}

/// Checks the gradients of any smooth `f`, with small steps: differences are of its path in double
/// precision, gradients of the one in single precision.
pub(crate) fn check_curved(
    name: &str,
    operands: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    compare(name, operands, &f, DType::F64, 1e-4, 1e-4)
}

fn compare(
    name: &str,
    operands: &[Tensor],
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    precision: DType,
    step: f64,
    tolerance: f64,
) -> Result<()> {
    let vars: Vec<Var> = operands.iter().map(Var::from_tensor).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let weights = values(99, f(&tensors)?.shape());
    let loss = |operands: &[Tensor]| -> Result<Tensor> {
        let y = f(operands)?;
        let mut loss = y.mul(&weights.to_dtype(y.dtype())?)?.sum_all()?;
        // The second use: a gradient that overwrites instead of adding would lose this one.
        for operand in operands {
            loss = (loss + operand.sum_all()?)?;
        }
        Ok(loss)
    };
    let grads = loss(&tensors)?.backward()?;
    let operands = operands.iter().map(|t| t.to_dtype(precision)).collect::<Result<Vec<_>>>()?;
    for (k, operand) in operands.iter().enumerate() {
        let Some(grad) = grads.get(&tensors[k]) else {
            panic!("{name}: no gradient for operand {k}")
        };
        let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
        let data: Vec<f64> = operand.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let positions = data.len().min(40);
        for p in 0..positions {
            let i = p * data.len() / positions;
            let at = |delta: f64| -> Result<f64> {
                let mut moved = data.clone();
                moved[i] += delta;
                let mut operands = operands.clone();
                let moved = Tensor::from_vec(moved, operand.shape(), &Device::Cpu)?;
                operands[k] = moved.to_dtype(precision)?;
                loss(&operands)?.to_dtype(DType::F64)?.to_scalar::<f64>()
            };
            let expected = (at(step)? - at(-step)?) / (2.0 * step);
            let error = (f64::from(grad[i]) - expected).abs();
            let bound = tolerance * expected.abs().max(1.0);
            assert!(error < bound, "{name}: operand {k}[{i}]: {} instead of {expected}", grad[i]);
        }
    }
    Ok(())
}
