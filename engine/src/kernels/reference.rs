//! Naive oracles: the definition of each operator, summed in `f64`.
//!
//! For tests, also those of other crates. They follow the formula, not the machine, and index out
//! of bounds where a slice does not fit its shape.

use super::depthwise::DepthwiseShape;

/// `y[b, c, oy, ox] = bias[c] + Σ x[b, c, oy·sy + ky − py, ox·sx + kx − px] · w[c, ky, kx]`.
pub fn depthwise_forward(
    shape: &DepthwiseShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let mut y: Vec<f64> = (0..shape.output_len())
        .map(|i| bias.map_or(0.0, |bias| f64::from(bias[channel_of(shape, i)])))
        .collect();
    for_each_product(shape, |xi, wi, yi| y[yi] += f64::from(x[xi]) * f64::from(w[wi]));
    narrow(y)
}

/// The gradient of [`depthwise_forward`] with respect to `x`, for the gradient `gy` of `y`.
pub fn depthwise_grad_input(shape: &DepthwiseShape, w: &[f32], gy: &[f32]) -> Vec<f32> {
    let mut gx = vec![0.0; shape.input_len()];
    for_each_product(shape, |xi, wi, yi| gx[xi] += f64::from(gy[yi]) * f64::from(w[wi]));
    narrow(gx)
}

/// The gradient of [`depthwise_forward`] with respect to `w`, for the gradient `gy` of `y`.
pub fn depthwise_grad_weight(shape: &DepthwiseShape, x: &[f32], gy: &[f32]) -> Vec<f32> {
    let mut gw = vec![0.0; shape.weight_len()];
    for_each_product(shape, |xi, wi, yi| gw[wi] += f64::from(x[xi]) * f64::from(gy[yi]));
    narrow(gw)
}

/// Calls `visit` with the positions in `x`, `w` and `y` of every product of a convolution.
fn for_each_product(shape: &DepthwiseShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ((h, w), (kh, kw), (oh, ow)) = (shape.input(), shape.kernel(), shape.output());
    let ((sy, sx), (py, px)) = (shape.stride(), shape.padding());
    for plane in 0..shape.planes() {
        for (oy, ox) in pairs(oh, ow) {
            for (ky, kx) in pairs(kh, kw) {
                let (y, x) = ((oy * sy + ky).checked_sub(py), (ox * sx + kx).checked_sub(px));
                if let (Some(y), Some(x)) = (y, x)
                    && y < h
                    && x < w
                {
                    let channel = plane % shape.channels();
                    visit(
                        (plane * h + y) * w + x,
                        (channel * kh + ky) * kw + kx,
                        (plane * oh + oy) * ow + ox,
                    );
                }
            }
        }
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

fn channel_of(shape: &DepthwiseShape, output_index: usize) -> usize {
    let (oh, ow) = shape.output();
    output_index / (oh * ow) % shape.channels()
}

fn narrow(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}
