//! Weights in words: several factors of a column side by side, rounded to bytes or bfloat16.

use crate::PlanError;
use crate::buffer::{Kept, Store};
use crate::plan::Quantization;

/// The most factors whose products with bytes a 32-bit sum holds in any case.
const MOST_FACTORS: usize = i32::MAX as usize / (255 * 127);

/// From here to twice as much, `f32` are whole numbers.
const LEAST_WHOLE: f32 = 1.5 * (1 << 23) as f32;

/// Weights `[n, k]` as whole numbers from -127 to 127.
pub(super) struct Bytes {
    pub(super) weights: Vec<[u8; 1]>,
    /// What a unit of each output's sum is worth.
    pub(super) scale: Vec<f32>,
    /// Where each output's sum begins: minus what the input's zero adds to it.
    pub(super) start: Vec<i32>,
}

impl Bytes {
    /// Rounds the weights of each output to the nearest of 255 steps up to the largest.
    pub(super) fn round(
        weights: &[f32],
        k: usize,
        quantization: Quantization,
    ) -> Result<Self, PlanError> {
        if k > MOST_FACTORS {
            let reason = format!("{k} factors for int8: expected at most {MOST_FACTORS}");
            return Err(PlanError::Operands { operation: "matrix", reason });
        }
        let outputs = weights.len() / k.max(1);
        let mut bytes = Self {
            weights: Vec::with_capacity(weights.len()),
            scale: Vec::with_capacity(outputs),
            start: Vec::with_capacity(outputs),
        };
        for row in weights.chunks_exact(k.max(1)) {
            let largest = row.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            let mut sum = 0;
            for weight in row {
                // To whole numbers, of two the even one: no larger f32 has a fraction. Quicker than
                // a call of `round_ties_even`, which is what that is without SSE 4.1.
                let whole = (weight / scale + LEAST_WHOLE) - LEAST_WHOLE;
                let byte = whole.clamp(-127.0, 127.0) as i8;
                sum += i32::from(byte);
                bytes.weights.push(byte.to_ne_bytes());
            }
            bytes.scale.push(scale * quantization.scale);
            bytes.start.push(-(quantization.zero as i32) * sum);
        }
        Ok(bytes)
    }
}

/// Keeps weights `[n, k]` of `B` bytes each in panels `[k / group][columns][group]`, with zeros
/// where `k` and `n` end: `words` is `k / group` or more.
pub(super) fn keep<const B: usize>(
    store: &mut Store,
    weights: &[[u8; B]],
    k: usize,
    (words, group): (usize, usize),
    (columns, lanes): (usize, usize),
    places: &[(usize, usize, usize)],
) -> Result<Kept, PlanError> {
    const ELEMENT: usize = size_of::<f32>();
    // A word of bytes or two of bfloat16: columns come in fours at least.
    let column_len = words * group * B;
    let kept = store.keep(columns * column_len / ELEMENT, |to| {
        for &(column, vectors, _) in places {
            let width = vectors * lanes;
            let mut panel = vec![[0; B]; words * width * group];
            for (place, row) in weights.chunks_exact(k).skip(column).take(width).enumerate() {
                let columns = panel[place * group..].chunks_mut(width * group);
                for (word, to) in row.chunks(group).zip(columns) {
                    to[..word.len()].copy_from_slice(word);
                }
            }
            let to = &mut to[column * column_len / ELEMENT..];
            for (bytes, to) in panel.as_flattened().chunks_exact(ELEMENT).zip(to) {
                *to = f32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
    });
    Ok(kept?)
}
