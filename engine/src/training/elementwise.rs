//! Sums, activations and dropout, with their gradients.

use rayon::prelude::*;
use std::ops::Range;

use crate::isa::{AnyIsa, Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};
use crate::plan::Activation;

/// Elements that are worth a task.
const TASK_LEN: usize = 1 << 15;

/// `y = a + b`.
pub(super) fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(TASK_LEN).zip(a.par_chunks(TASK_LEN)).zip(b.par_chunks(TASK_LEN)).for_each(
        |((y, a), b)| {
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                *y = a + b;
            }
        },
    );
}

/// `y += x`.
pub(super) fn accumulate(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(TASK_LEN).zip(x.par_chunks(TASK_LEN)).for_each(|(y, x)| {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    });
}

/// `y = activation(x)`.
pub(super) fn activate(isa: AnyIsa, activation: Activation, x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(TASK_LEN)
        .zip(x.par_chunks(TASK_LEN))
        .for_each(|(y, x)| isa.run(Activate { activation, x, y }));
}

struct Activate<'a> {
    activation: Activation,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Op for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let len = self.x.len().min(self.y.len());
        for at in (0..len).step_by(I::LANES) {
            let lanes = I::LANES.min(len - at);
            // SAFETY: both slices have these elements.
            unsafe {
                let x = load_lanes(isa, self.x.as_ptr().add(at), lanes);
                let y = self.activation.apply(isa, x);
                store_lanes(isa, self.y.as_mut_ptr().add(at), y, lanes);
            }
        }
    }
}

/// Turns the gradient of `y = activation(x)` into that of `x`. `kept` is `x` of a hard sigmoid, else
/// `y`. At a corner it is 0, as PyTorch's.
pub(super) fn activate_backward(activation: Activation, kept: &[f32], gradient: &mut [f32]) {
    let slope: fn(f32) -> f32 = match activation {
        Activation::Identity => return,
        Activation::Relu => |y| if y > 0.0 { 1.0 } else { 0.0 },
        Activation::Sigmoid => |y| y * (1.0 - y),
        Activation::HardSigmoid => |x| if x > -3.0 && x < 3.0 { 1.0 / 6.0 } else { 0.0 },
    };
    gradient.par_chunks_mut(TASK_LEN).zip(kept.par_chunks(TASK_LEN)).for_each(
        |(gradient, kept)| {
            for (gradient, kept) in gradient.iter_mut().zip(kept) {
                *gradient *= slope(*kept);
            }
        },
    );
}

/// Adds the sum over all pixels to a value for each channel.
pub(super) fn sum_of_pixels(x: &[f32], sums: &mut [f32]) {
    let channels = sums.len();
    let len = (TASK_LEN / channels.max(1)).max(1) * channels.max(1);
    let parts: Vec<Vec<f32>> = (x.par_chunks(len))
        .map(|x| {
            let mut sums = vec![0.0; channels];
            for x in x.chunks_exact(channels) {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x;
                }
            }
            sums
        })
        .collect();
    for part in parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += part;
        }
    }
}

/// What multiplies each element, or each channel of each picture, when some are dropped: 0, or
/// what keeps the mean. A function of the seed and the element's number alone.
pub(super) fn dropout_factors(seed: u64, probability: f32, numbers: Range<usize>) -> Vec<f32> {
    let kept = 1.0 / (1.0 - probability);
    let threshold = (f64::from(probability) * 2f64.powi(53)) as u64;
    let factor = |i: u64| if random(seed, i) >> 11 < threshold { 0.0 } else { kept };
    numbers.map(|i| factor(i as u64)).collect()
}

/// The `i`-th of a seed's numbers.
///
/// # Source
/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014),
/// whose states are so many steps apart that any of them can be had at once.
fn random(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `y = x · factor`, with a factor for each run of `pixels · channels` or for each element:
/// `factors` repeat every `channels` elements within a picture of `picture_len`.
pub(super) fn scale(x: &[f32], factors: &[f32], picture_len: usize, y: &mut [f32]) {
    if factors.len() == y.len() {
        let places = y.par_chunks_mut(TASK_LEN).zip(x.par_chunks(TASK_LEN));
        return places.zip(factors.par_chunks(TASK_LEN)).for_each(|((y, x), factors)| {
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
                *y = x * factor;
            }
        });
    }
    let pictures = y.len() / picture_len.max(1);
    let channels = factors.len() / pictures.max(1);
    let places = y.par_chunks_mut(picture_len.max(1)).zip(x.par_chunks(picture_len.max(1)));
    places.zip(factors.par_chunks(channels.max(1))).for_each(|((y, x), factors)| {
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
                *y = x * factor;
            }
        }
    });
}
