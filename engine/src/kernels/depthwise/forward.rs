//! Depthwise convolution.

use super::{DepthwiseShape, correlate::Correlation, geometry::Geometry};
use crate::{ShapeError, isa::AnyIsa};

/// Writes the convolution of `x` with `w`, plus `bias`, to `y`.
///
/// # Shapes
/// See [`DepthwiseShape::new`].
///
/// # Errors
/// [`ShapeError::Length`] for a slice that does not fit the shape.
pub fn forward(
    shape: &DepthwiseShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    forward_on(AnyIsa::best(), shape, x, w, bias, y)
}

/// [`forward`] on an instruction set of the caller's choice.
///
/// # Errors
/// See [`forward`].
pub fn forward_on(
    isa: AnyIsa,
    shape: &DepthwiseShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    shape.check_x("x", x.len())?;
    shape.check_w("w", w.len())?;
    bias.map_or(Ok(()), |bias| shape.check_bias(bias.len()))?;
    shape.check_y("y", y.len())?;
    let geometry = Geometry::forward(shape);
    Correlation { geometry, channels: shape.channels(), source: x, weights: w, bias }.run(isa, y)
}
