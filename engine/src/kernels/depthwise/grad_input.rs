//! The gradient of depthwise convolution with respect to its input.

use super::{DepthwiseShape, correlate::Correlation, geometry::Geometry};
use crate::{ShapeError, isa::AnyIsa};

/// Writes the gradient of x to `gx`, for the gradient `gy` of y.
///
/// # Shapes
/// `gy` as y, `gx` as x; see [`DepthwiseShape::new`].
///
/// # Errors
/// [`ShapeError::Length`] for a slice that does not fit the shape.
pub fn grad_input(
    shape: &DepthwiseShape,
    w: &[f32],
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    grad_input_on(AnyIsa::best(), shape, w, gy, gx)
}

/// [`grad_input`] on an instruction set of the caller's choice.
///
/// # Errors
/// See [`grad_input`].
pub fn grad_input_on(
    isa: AnyIsa,
    shape: &DepthwiseShape,
    w: &[f32],
    gy: &[f32],
    gx: &mut [f32],
) -> Result<(), ShapeError> {
    shape.check_w("w", w.len())?;
    shape.check_y("gy", gy.len())?;
    shape.check_x("gx", gx.len())?;
    let geometry = Geometry::grad_input(shape);
    // A filter read backwards is the filter turned by 180°.
    let turned: Vec<f32> = w
        .chunks_exact(geometry.kernel_len())
        .flat_map(|filter| filter.iter().rev())
        .copied()
        .collect();
    let (channels, weights) = (shape.channels(), &turned[..]);
    Correlation { geometry, channels, source: gy, weights, bias: None }.run(isa, gx)
}
