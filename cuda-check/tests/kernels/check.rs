//! Operands, launches, and what is compared.

use candle::{Device, Result, Shape, Tensor, Var};
use cuda_check::{Buffer, COMPILED, Stored, Value, launch};

/// Threads of blocks whose size is free; not a divisor of any plane here.
const BLOCK: u32 = 32;

/// Threads of blocks that sum: `SUM_THREADS`.
pub(crate) const SUM_BLOCK: u32 = 256;

/// Grids are this high at most here, so that blocks have several planes.
const HEIGHT: u32 = 5;

/// Whether there is something to test; says so if not.
pub(crate) fn skipped() -> bool {
    if !COMPILED {
        eprintln!("skipped: the build found no C++ compiler that takes the kernels");
    }
    !COMPILED
}

/// Values that look random, as f32 of what `stored` can hold.
pub(crate) fn values(stored: Stored, seed: u64, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let mut state = seed;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 44) as f32) / 524_288.0 - 1.0
    };
    let numbers: Vec<f32> = (0..shape.elem_count()).map(next).collect();
    let numbers = Buffer::of(stored, &numbers).numbers();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

pub(crate) fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn buffer(stored: Stored, tensor: &Tensor) -> Buffer {
    Buffer::of(stored, &numbers(tensor))
}

/// A window: channels, then pairs of input, output, kernel, stride, padding, dilation.
pub(crate) fn window(channels: usize, pairs: [(usize, usize); 6]) -> Value {
    let mut numbers = [0; 13];
    numbers[0] = channels as i32;
    for (to, (a, b)) in numbers[1..].chunks_exact_mut(2).zip(pairs) {
        to.copy_from_slice(&[a as i32, b as i32]);
    }
    Value::Window(numbers)
}

/// A resampling: only sizes matter.
pub(crate) fn sizes(channels: usize, from: (usize, usize), to: (usize, usize)) -> Value {
    window(channels, [from, to, (1, 1), (1, 1), (0, 0), (1, 1)])
}

pub(crate) fn int(n: usize) -> Value {
    Value::Int(n as i32)
}

/// Launches a kernel for `pixels` of each of `planes`, and gives what is in `output` then.
pub(crate) fn on_planes(
    (kernel, stored): (&str, Stored),
    (pixels, planes): (usize, usize),
    output: Buffer,
    arguments: impl FnOnce(Value) -> Vec<Value>,
) -> Vec<f32> {
    let grid = ((pixels as u32).div_ceil(BLOCK).max(1), HEIGHT.min(planes as u32).max(1));
    run((kernel, stored), grid, BLOCK, output, arguments)
}

/// Launches a kernel with `blocks` that sum.
pub(crate) fn on_blocks(
    kernel: (&str, Stored),
    blocks: (usize, usize),
    output: Buffer,
    arguments: impl FnOnce(Value) -> Vec<Value>,
) -> Vec<f32> {
    run(kernel, (blocks.0 as u32, blocks.1 as u32), SUM_BLOCK, output, arguments)
}

fn run(
    (kernel, stored): (&str, Stored),
    grid: (u32, u32),
    block: u32,
    mut output: Buffer,
    arguments: impl FnOnce(Value) -> Vec<Value>,
) -> Vec<f32> {
    let kernel = format!("{kernel}_{}", stored.suffix());
    let arguments = arguments(output.at());
    // SAFETY: the tests make their buffers of the sizes that they say.
    unsafe { launch(&kernel, grid, block, &arguments) };
    output.numbers()
}

/// What is stored may differ from what was computed by its rounding, and that by `off` of the
/// largest element.
pub(crate) fn expect(name: &str, stored: Stored, found: &[f32], expected: &Tensor, off: f32) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(1f32, |most, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        // Numbers too small for f16's exponents are off by a step of the smallest.
        let rounding = stored.rounding() * expected.abs() * 1.001 + 6e-8;
        let allowed = rounding + off * largest;
        let name = format!("{name} in {stored:?}");
        assert!((found - expected).abs() <= allowed, "{name}: [{i}] is {found}, not {expected}");
    }
}

/// The value of `f` and, for `grad` as the gradient of that, those of its operands.
pub(crate) fn with_gradients(
    operands: &[&Tensor],
    grad: impl FnOnce(&Tensor) -> Tensor,
    f: impl FnOnce(&[Tensor]) -> Result<Tensor>,
) -> (Tensor, Tensor, Vec<Tensor>) {
    let vars: Vec<Var> = operands.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors).unwrap();
    let grad = grad(&y);
    let found = y.mul(&grad).unwrap().sum_all().unwrap().backward().unwrap();
    let gradients = tensors.iter().map(|t| found.get(t).unwrap().clone()).collect();
    (y, grad, gradients)
}
