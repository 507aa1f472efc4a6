//! The length of all gradients together.

use crate::network::Named;
use candle::{DType, Result, Tensor};
use rayon::prelude::*;

/// Numbers that are summed one after the other.
const PIECE: usize = 4096;

/// The 2-norm of all gradients as one vector: NaN or infinite where one of them is.
///
/// Sums are over pieces of a fixed length, in the order of names: the same bits for any number of
/// threads.
///
/// # Errors
/// What candle says.
pub fn global_norm(gradients: &Named<Tensor>) -> Result<f64> {
    let (mut sum, mut elsewhere) = (0.0, Vec::new());
    for gradient in gradients.values() {
        if gradient.device().is_cpu() {
            let values: Vec<f32> = gradient.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            let square = |v: &f32| f64::from(*v) * f64::from(*v);
            let piece = |piece: &[f32]| piece.iter().map(square).sum::<f64>();
            sum +=
                values.par_chunks(PIECE).map(piece).collect::<Vec<f64>>().into_iter().sum::<f64>();
        } else {
            elsewhere.push(gradient.to_dtype(DType::F32)?.sqr()?.sum_all()?);
        }
    }
    if !elsewhere.is_empty() {
        // Read at once: a device is waited for one time, not for each gradient.
        sum += f64::from(Tensor::stack(&elsewhere, 0)?.sum_all()?.to_scalar::<f32>()?);
    }
    Ok(sum.sqrt())
}

/// What gradients of length `norm` are to be multiplied by to be at most `limit` long: torch's
/// `clip_grad_norm_`.
pub fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    limit.map_or(1.0, |limit| (limit / (norm + 1e-6)).min(1.0))
}
