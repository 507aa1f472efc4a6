//! The pass of a resize along the columns.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::{Axis, HALF, quantise, to_pixel};

/// Columns are done in blocks of this many bytes, so that the accumulators stay in the nearest
/// cache.
const BLOCK: usize = 2048;

/// Resizes the columns of `pixels`, rows of `stride` bytes of which the first is source row
/// `first_row`, to the target `rows`.
pub(super) fn resize_columns(
    pixels: &[u8],
    stride: usize,
    first_row: usize,
    axis: &Axis,
    rows: Range<u64>,
) -> Vec<u8> {
    let mut out = vec![0; (rows.end - rows.start) as usize * stride];
    out.par_chunks_exact_mut(stride).enumerate().for_each_init(
        || (Vec::new(), vec![0_i32; BLOCK.min(stride)]),
        |(weights, sums), (row, out)| {
            let row = rows.start + row as u64;
            axis.weights(row, weights);
            let first = (axis.window(row).start - first_row) * stride;
            let window = &pixels[first..first + weights.len() * stride];
            for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                let offset = block * BLOCK;
                let sums = &mut sums[..out.len()];
                sums.fill(HALF);
                for (source, &weight) in window.chunks_exact(stride).zip(weights.iter()) {
                    accumulate(sums, &source[offset..offset + out.len()], quantise(weight));
                }
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = to_pixel(*sum));
            }
        },
    );
    out
}

/// `sums += weight * samples`.
///
/// Cannot wrap: the weights of a window sum to one in 22 bits, a sample has 8, and what filters
/// overshoot stays within the remaining two.
fn accumulate(sums: &mut [i32], samples: &[u8], weight: i32) {
    for (sum, &sample) in sums.iter_mut().zip(samples) {
        *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(sample)));
    }
}
