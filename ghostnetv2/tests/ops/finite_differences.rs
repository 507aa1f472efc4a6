//! Gradients by central differences. All operations here are linear in each operand, for which
//! central differences are exact up to rounding whatever the step: so it is large.

use candle::{Device, Result, Shape, Tensor, Var};

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

/// Checks the gradients of `f` for all of its operands, each also used a second time.
pub(crate) fn check(
    name: &str,
    operands: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let vars: Vec<Var> = operands.iter().map(Var::from_tensor).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors)?;
    let weights = values(99, y.shape());
    let loss = |operands: &[Tensor]| -> Result<Tensor> {
        let mut loss = f(operands)?.mul(&weights)?.sum_all()?;
        // The second use: a gradient that overwrites instead of adding would lose this one.
        for operand in operands {
            loss = (loss + operand.sum_all()?)?;
        }
        Ok(loss)
    };
    let grads = loss(&tensors)?.backward()?;
    const STEP: f32 = 0.5;
    for (k, operand) in operands.iter().enumerate() {
        let Some(grad) = grads.get(&tensors[k]) else {
            panic!("{name}: no gradient for operand {k}")
        };
        let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
        let data: Vec<f32> = operand.flatten_all()?.to_vec1()?;
        let positions = data.len().min(40);
        for p in 0..positions {
            let i = p * data.len() / positions;
            let at = |delta: f32| -> Result<f64> {
                let mut moved = data.clone();
                moved[i] += delta;
                let mut operands = operands.to_vec();
                operands[k] = Tensor::from_vec(moved, operand.shape(), &Device::Cpu)?;
                Ok(f64::from(loss(&operands)?.to_scalar::<f32>()?))
            };
            let expected = (at(STEP)? - at(-STEP)?) / f64::from(2.0 * STEP);
            let error = (f64::from(grad[i]) - expected).abs();
            assert!(error < 2e-3, "{name}: operand {k}[{i}]: {} instead of {expected}", grad[i]);
        }
    }
    Ok(())
}
