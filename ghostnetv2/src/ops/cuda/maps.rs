//! Launches of the kernels that make one map of others: what operations on a GPU call.

use super::{DEPTHWISE, GATE, Operand, POOL, RESIZE, SQUEEZE_EXCITE, launch};
use crate::gpu::{Geometry, Grid};
use candle::backend::BackendStorage;
use candle::{CudaStorage, Layout, Result, Shape};

/// A tensor's memory.
pub(in super::super) type Map<'a> = (&'a CudaStorage, &'a Layout);

/// A map for each plane of `x`, from kernels that take it, the output, sizes, and numbers between
/// these and the number of planes.
pub(in super::super) fn of_planes(
    (module, kernel): (super::Module, &str),
    x: Map,
    to: (usize, usize),
    geometry: Geometry,
    more: &[usize],
) -> Result<(CudaStorage, Shape)> {
    with(&[x], (module, kernel), to, geometry, more)
}

fn with(
    maps: &[Map],
    kernel: (super::Module, &str),
    (h, w): (usize, usize),
    geometry: Geometry,
    more: &[usize],
) -> Result<(CudaStorage, Shape)> {
    let (like, layout) = maps[0];
    let (b, c, ..) = layout.shape().dims4()?;
    let mut operands: Vec<Operand> = maps.iter().map(|(s, l)| Operand::Tensor(s, l)).collect();
    operands.extend([Operand::Output, Operand::Geometry(geometry)]);
    operands.extend(more.iter().map(|&number| Operand::Int(number)));
    operands.push(Operand::Int(b * c));
    let made = (like.dtype(), b * c * h * w);
    let y = launch(kernel, like, Grid::planes(h * w, b * c), made, &operands)?;
    Ok((y, Shape::from((b, c, h, w))))
}

/// Nearest or bilinear resampling, or its gradient.
pub(in super::super) fn resize(
    kernel: &str,
    x: Map,
    to: (usize, usize),
    geometry: Geometry,
    more: &[usize],
) -> Result<(CudaStorage, Shape)> {
    of_planes((RESIZE, kernel), x, to, geometry, more)
}

/// Means of windows, or their gradient.
pub(in super::super) fn avg_pool(
    kernel: &str,
    x: Map,
    to: (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    of_planes((POOL, kernel), x, to, geometry, &[0])
}

/// Largest values of windows, of `[x]`, or the gradient of `[x, grad of y]`.
pub(in super::super) fn max_pool(
    kernel: &str,
    maps: &[Map],
    to: (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    with(maps, (POOL, kernel), to, geometry, &[])
}

/// `x`, each plane times the sigmoid of `logits` at the nearest pixel; or, of the gradient of that,
/// the gradient of `x`.
pub(in super::super) fn gate(
    x: Map,
    logits: Map,
    to: (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    with(&[x, logits], (GATE, "gate_forward"), to, geometry, &[])
}

/// The gradient of the logits, of `[x, logits, grad of y]`.
pub(in super::super) fn gate_grad_logits(
    maps: &[Map; 3],
    to: (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    with(maps, (GATE, "gate_grad_logits"), to, geometry, &[])
}

/// The mean of each plane.
pub(in super::super) fn plane_mean(x: Map) -> Result<(CudaStorage, Shape)> {
    let (b, c, h, w) = x.1.shape().dims4()?;
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Null,   // shift
        Operand::Int(0), // activation
        Operand::Output,
        Operand::Int(c),
        Operand::Int(h * w),
    ];
    let made = (x.0.dtype(), b * c);
    let y = launch((POOL, "plane_mean"), x.0, Grid::sums(b * c, 1), made, &operands)?;
    Ok((y, Shape::from((b, c, 1, 1))))
}

/// Its gradient for planes of `h` x `w`.
pub(in super::super) fn plane_mean_grad(
    grad: Map,
    (h, w): (usize, usize),
) -> Result<(CudaStorage, Shape)> {
    let (b, c, ..) = grad.1.shape().dims4()?;
    let operands = [
        Operand::Tensor(grad.0, grad.1),
        Operand::Output,
        Operand::Int(h * w),
        Operand::Int(b * c),
    ];
    let (grid, made) = (Grid::planes(h * w, b * c), (grad.0.dtype(), b * c * h * w));
    let y = launch((POOL, "plane_mean_grad"), grad.0, grid, made, &operands)?;
    Ok((y, Shape::from((b, c, h, w))))
}

/// Each plane times its scale.
pub(in super::super) fn scale(x: Map, scale: Map) -> Result<(CudaStorage, Shape)> {
    let (b, c, h, w) = x.1.shape().dims4()?;
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Tensor(scale.0, scale.1),
        Operand::Output,
        Operand::Int(h * w),
        Operand::Int(b * c),
    ];
    let (grid, made) = (Grid::planes(h * w, b * c), (x.0.dtype(), b * c * h * w));
    let y = launch((SQUEEZE_EXCITE, "plane_scale"), x.0, grid, made, &operands)?;
    Ok((y, x.1.shape().clone()))
}

/// The gradient of the scales, of the maps and the gradient of the output.
pub(in super::super) fn scale_grad_scale(x: Map, grad: Map) -> Result<(CudaStorage, Shape)> {
    let (b, c, h, w) = x.1.shape().dims4()?;
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Tensor(grad.0, grad.1),
        Operand::Output,
        Operand::Int(h * w),
    ];
    let kernel = (SQUEEZE_EXCITE, "plane_scale_grad_scale");
    let y = launch(kernel, x.0, Grid::sums(b * c, 1), (x.0.dtype(), b * c), &operands)?;
    Ok((y, Shape::from((b, c, 1, 1))))
}

/// A depthwise convolution with nothing fused.
pub(in super::super) fn depthwise(
    x: Map,
    weight: Map,
    (b, c): (usize, usize),
    (oh, ow): (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Tensor(weight.0, weight.1),
        Operand::Null,   // scale
        Operand::Null,   // shift
        Operand::Null,   // gate
        Operand::Int(0), // its height
        Operand::Int(0), // and width
        Operand::Null,   // add
        Operand::Int(0), // activation
        Operand::Output,
        Operand::Geometry(geometry),
        Operand::Int(b * c),
    ];
    let (grid, made) = (Grid::planes(oh * ow, b * c), (x.0.dtype(), b * c * oh * ow));
    let y = launch((DEPTHWISE, "depthwise_forward"), x.0, grid, made, &operands)?;
    Ok((y, Shape::from((b, c, oh, ow))))
}

/// Its gradient for the input, of the weight and the gradient of the output.
pub(in super::super) fn depthwise_grad_input(
    weight: Map,
    grad: Map,
    (b, c): (usize, usize),
    (h, w): (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    let operands = [
        Operand::Tensor(weight.0, weight.1),
        Operand::Tensor(grad.0, grad.1),
        Operand::Output,
        Operand::Geometry(geometry),
        Operand::Int(b * c),
    ];
    let (grid, made) = (Grid::planes(h * w, b * c), (grad.0.dtype(), b * c * h * w));
    let y = launch((DEPTHWISE, "depthwise_grad_input"), grad.0, grid, made, &operands)?;
    Ok((y, Shape::from((b, c, h, w))))
}

/// Its gradient for the weight, of the input and the gradient of the output.
pub(in super::super) fn depthwise_grad_weight(
    x: Map,
    grad: Map,
    (b, c): (usize, usize),
    (kh, kw): (usize, usize),
    geometry: Geometry,
) -> Result<(CudaStorage, Shape)> {
    let operands = [
        Operand::Tensor(x.0, x.1),
        Operand::Tensor(grad.0, grad.1),
        Operand::Output,
        Operand::Geometry(geometry),
        Operand::Int(b),
    ];
    crate::gpu::int(grad.1.shape().elem_count() / c.max(1))?; // what a block counts
    let (grid, made) = (Grid::sums(c * kh * kw, 1), (x.0.dtype(), c * kh * kw));
    let y = launch((DEPTHWISE, "depthwise_grad_weight"), x.0, grid, made, &operands)?;
    Ok((y, Shape::from((c, 1, kh, kw))))
}
