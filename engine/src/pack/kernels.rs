//! The kernels of a dense convolution, as they are and at Winograd's points.

use super::{Matrix, Packing};
use crate::PlanError;
use crate::buffer::Store;
use crate::isa::AnyIsa;
use crate::nhwc::winograd::{self, Grid, IN, KERNEL};
use crate::plan::{Folded, Window};

/// The kernels of a dense convolution.
#[derive(Debug)]
pub struct Kernels {
    /// `[n, taps · c]`, for sums over all taps.
    pub(crate) direct: Matrix,
    /// `[n, c]` at each point; none where no map is convolved in that way.
    pub(crate) points: Vec<Matrix>,
}

impl Kernels {
    /// Packs `[n, c, kh, kw]` weights and `[n]` biases, for a map or for the input's planes.
    ///
    /// # Errors
    /// Slices of other lengths, or no memory.
    pub(crate) fn pack(
        store: &mut Store,
        isa: AnyIsa,
        window: Window,
        (c, planes): (usize, bool),
        (weights, bias): Folded,
    ) -> Result<Self, PlanError> {
        let (n, taps) = (bias.len(), window.kernel.0.saturating_mul(window.kernel.1));
        let len = n.saturating_mul(c).saturating_mul(taps);
        PlanError::expect_len("weights of a convolution", len, weights.len())?;
        // From [n, c, taps] to [n, taps, c]: the order in which a pixel's channels lie.
        let mut ordered = vec![0.0; weights.len()];
        for (from, to) in weights.chunks_exact(c * taps).zip(ordered.chunks_exact_mut(c * taps)) {
            for (channel, filter) in from.chunks_exact(taps).enumerate() {
                for (tap, value) in filter.iter().enumerate() {
                    to[tap * c + channel] = *value;
                }
            }
        }
        let shape = (n, c * taps);
        let direct = Matrix::pack(store, isa, Packing::F32, shape, &ordered, bias)?;
        let points = if !planes && winograd::suits(window, (c, n)) {
            points(store, isa, (n, c), weights)?
        } else {
            Vec::new()
        };
        Ok(Self { direct, points })
    }

    /// How a map of this size is cut where Winograd's filtering wins.
    pub(crate) fn grid(&self, size: (usize, usize)) -> Option<Grid> {
        (!self.points.is_empty()).then(|| Grid::new(size)).filter(Grid::pays)
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        self.direct.bytes() + self.points.iter().map(Matrix::bytes).sum::<usize>()
    }
}

/// The kernels `[n, c, 3, 3]` at each point, without biases: those are added to the outputs.
fn points(
    store: &mut Store,
    isa: AnyIsa,
    (n, c): (usize, usize),
    weights: &[f32],
) -> Result<Vec<Matrix>, PlanError> {
    let mut at = vec![0.0; n * c];
    let bias = vec![0.0; n];
    let mut matrices = Vec::with_capacity(IN * IN);
    for vertical in KERNEL {
        for horizontal in KERNEL {
            let factors: [f64; 9] =
                std::array::from_fn(|tap| vertical[tap / 3] * horizontal[tap % 3]);
            for (kernel, at) in weights.chunks_exact(9).zip(&mut at) {
                let products = kernel.iter().zip(factors).map(|(w, f)| f64::from(*w) * f);
                *at = products.sum::<f64>() as f32;
            }
            matrices.push(Matrix::pack(store, isa, Packing::F32, (n, c), &at, &bias)?);
        }
    }
    Ok(matrices)
}
