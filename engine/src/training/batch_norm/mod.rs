//! Batch normalisation with batch statistics, a ReLU in the same pass, and its gradients.
//!
//! # Source
//! Batch Normalization (arXiv 1502.03167), algorithm 1; PyTorch's `BatchNorm2d`.

mod passes;

use rayon::prelude::*;

use self::passes::{Affine, Combine, Powers, Products};
use super::ranks::Ranks;
use crate::isa::AnyIsa;
use crate::plan::share;

/// Parts that the sums over pixels are split into.
const PARTS: usize = 16;

/// Pixels whose sums are kept in f32, before they go into those in f64.
const RUN: usize = 256;

/// Elements that are worth a task.
const TASK_LEN: usize = 1 << 15;

/// What a batch looks like, for each channel.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) mean: Vec<f32>,
    /// Of the batch itself: divided by the number of pixels.
    pub(super) variance: Vec<f32>,
    /// The number of pixels, of all ranks.
    pub(super) pixels: f64,
}

/// Means and variances of the channels of `x`, and of what the other ranks have.
pub(super) fn moments(
    isa: AnyIsa,
    x: &[f32],
    channels: usize,
    ranks: Option<&dyn Ranks>,
) -> Moments {
    let pixels = x.len() / channels.max(1);
    // Around the first pixel, so that a mean that is far from 0 does not cost digits.
    let origin = &x[..channels];
    let sums = sum_parts(pixels, channels, |first, last, sums| {
        let x = &x[first * channels..last * channels];
        isa.run(Powers { x, origin, sums });
    });
    let (first, second) = sums.split_at(channels);
    let n = pixels as f64;
    let offsets = first.iter().map(|first| first / n);
    let mean = offsets.clone().zip(origin).map(|(offset, origin)| f64::from(*origin) + offset);
    let variance = offsets.zip(second).map(|(o, second)| (second / n - o * o).max(0.0));
    let (mean, variance, pixels) = match ranks {
        Some(ranks) => of_all_ranks(ranks, mean, variance, n),
        None => (mean.collect(), variance.collect(), n),
    };
    let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Moments { mean: single(mean), variance: single(variance), pixels }
}

/// Mean, variance and number of what all ranks have together.
fn of_all_ranks(
    ranks: &dyn Ranks,
    mean: impl Iterator<Item = f64>,
    variance: impl Iterator<Item = f64>,
    n: f64,
) -> (Vec<f64>, Vec<f64>, f64) {
    let mut sums = vec![n];
    for (mean, variance) in mean.zip(variance) {
        sums.extend([n * mean, n * (variance + mean * mean)]);
    }
    ranks.sum(&mut sums);
    let all = sums[0];
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for powers in sums[1..].chunks_exact(2) {
        let mean = powers[0] / all;
        means.push(mean);
        variances.push((powers[1] / all - mean * mean).max(0.0));
    }
    (means, variances, all)
}

/// Sums of `2 · channels` numbers over all pixels, in an order that the number of threads does not
/// change: `add` adds those of a run of pixels.
fn sum_parts(
    pixels: usize,
    channels: usize,
    add: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Vec<f64> {
    let parts = (pixels * channels).div_ceil(TASK_LEN).clamp(1, PARTS);
    let sum = |number: usize| {
        let mut sums = vec![0f64; 2 * channels];
        let mut run = vec![0f32; 2 * channels];
        let pixels = share(pixels, number, parts);
        let mut first = pixels.start;
        while first < pixels.end {
            let last = pixels.end.min(first + RUN);
            run.fill(0.0);
            add(first, last, &mut run);
            for (sum, run) in sums.iter_mut().zip(&run) {
                *sum += f64::from(*run);
            }
            first = last;
        }
        sums
    };
    let parts: Vec<Vec<f64>> = (0..parts).into_par_iter().map(sum).collect();
    let mut total = vec![0f64; 2 * channels];
    for part in parts {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}

/// `y = x · scale + shift`, cut off at 0 where `relu`.
pub(super) fn normalize(
    isa: AnyIsa,
    x: &[f32],
    (scale, shift): (&[f32], &[f32]),
    relu: bool,
    y: &mut [f32],
) {
    let len = task_len(scale.len());
    y.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(y, x)| {
        isa.run(Affine { x, scale, shift, relu, y });
    });
}

/// Elements of a task: whole pixels.
fn task_len(channels: usize) -> usize {
    (TASK_LEN / channels.max(1)).max(1) * channels.max(1)
}

/// What a gradient needs to know of the forward pass.
#[derive(Clone, Copy)]
pub(super) struct Backward<'a> {
    pub(super) x: &'a [f32],
    /// The output, where it was cut off at 0.
    pub(super) y: Option<&'a [f32]>,
    pub(super) mean: &'a [f32],
    pub(super) inv_std: &'a [f32],
    pub(super) scale: &'a [f32],
    /// Whether mean and variance were the batch's own, and so depend on `x`.
    pub(super) of_batch: bool,
    pub(super) ranks: Option<&'a dyn Ranks>,
}

impl Backward<'_> {
    /// Turns the gradient of the output into that of the input, and gives those of scale and shift.
    pub(super) fn run(self, isa: AnyIsa, gradient: &mut [f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.mean.len();
        let pixels = gradient.len() / channels.max(1);
        let sums = {
            let gradient = &*gradient;
            sum_parts(pixels, channels, |first, last, sums| {
                let range = first * channels..last * channels;
                isa.run(Products {
                    x: &self.x[range.clone()],
                    y: self.y.map(|y| &y[range.clone()]),
                    gradient: &gradient[range],
                    mean: self.mean,
                    sums,
                });
            })
        };
        // Of the scale and the shift each rank has its own part; through mean and variance an input
        // depends on those of all.
        let (own_plain, own_centred) = sums.split_at(channels);
        let mut all = [&sums[..], &[pixels as f64]].concat();
        if let (Some(ranks), true) = (self.ranks, self.of_batch) {
            ranks.sum(&mut all);
        }
        let (plain, centred, n) = (&all[..channels], &all[channels..], all[2 * channels]);
        // In each channel `dx = a · dy + b · x + c`.
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        let mut grad_scale = Vec::new();
        for i in 0..channels {
            let inv_std = f64::from(self.inv_std[i]);
            let factor = f64::from(self.scale[i]) * inv_std;
            grad_scale.push((own_centred[i] * inv_std) as f32);
            let by_x =
                if self.of_batch { -factor * centred[i] * inv_std * inv_std / n } else { 0.0 };
            let constant = if self.of_batch { -factor * plain[i] / n } else { 0.0 };
            a.push(factor as f32);
            b.push(by_x as f32);
            c.push(constant as f32);
        }
        let len = task_len(channels);
        gradient.par_chunks_mut(len).enumerate().for_each(|(task, gradient)| {
            let range = task * len..task * len + gradient.len();
            isa.run(Combine {
                x: &self.x[range.clone()],
                y: self.y.map(|y| &y[range]),
                mean: self.mean,
                factors: (&a, &b, &c),
                gradient,
            });
        });
        (grad_scale, own_plain.iter().map(|sum| *sum as f32).collect())
    }
}
