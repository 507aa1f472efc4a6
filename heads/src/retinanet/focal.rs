//! Focal loss of whole maps of logits on a CPU: value and gradient in one pass, on all threads.
//!
//! A batch of 16 pictures has 25 million scores in a detector of 80 classes. A chain of operations
//! would go through them twenty times, and this goes once.

use super::Match;
use candle::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// The class that scores learn where there is no object.
const BACKGROUND: i32 = -1;

/// That of anchors that learn nothing.
const IGNORED: i32 = -2;

/// Of a level of a batch: the loss of each picture times its weight, summed.
#[derive(Debug)]
pub(super) struct FocalSum {
    /// For each picture, anchor of a cell, and cell: the class to learn.
    targets: Vec<i32>,
    /// Of each picture.
    weights: Vec<f32>,
    classes: usize,
    cells: usize,
    alpha: Option<f32>,
    gamma: f32,
    /// Of the loss for each logit, once it is known.
    gradient: Mutex<Vec<f32>>,
}

impl FocalSum {
    /// For logits `[B, anchors * classes, H, W]` of `cells` cells; `matches` gives those of this
    /// level for each picture, cell by cell, with the class of each object.
    pub(super) fn new<'a>(
        matches: impl Iterator<Item = (&'a [Match], Vec<u32>)>,
        weights: Vec<f32>,
        (classes, cells): (usize, usize),
        (alpha, gamma): (Option<f64>, f64),
    ) -> Self {
        let mut targets = Vec::new();
        for (matches, labels) in matches {
            let anchors = matches.len() / cells.max(1);
            for anchor in 0..anchors {
                let of_anchor = matches.iter().skip(anchor).step_by(anchors);
                targets.extend(of_anchor.map(|found| match *found {
                    Match::Background => BACKGROUND,
                    Match::Ignored => IGNORED,
                    Match::Box(number) => labels[number] as i32,
                }));
            }
        }
        let (alpha, gamma) = (alpha.map(|alpha| alpha as f32), gamma as f32);
        Self { targets, weights, classes, cells, alpha, gamma, gradient: Mutex::default() }
    }

    /// The sum, a scalar with a gradient.
    ///
    /// # Errors
    /// Logits of another shape.
    pub(super) fn of(self, logits: &Tensor) -> Result<Tensor> {
        logits.contiguous()?.apply_op1(self)
    }

    /// Value and gradient for all classes of an anchor of a picture, `[classes, cells]`.
    fn anchor(&self, logits: &[f32], targets: &[i32], weight: f32, gradient: &mut [f32]) -> f64 {
        let alphas = self.alpha.map_or((1.0, 1.0), |alpha| (1.0 - alpha, alpha));
        let rows = logits.chunks_exact(self.cells).zip(gradient.chunks_exact_mut(self.cells));
        let mut sum = 0.0;
        for (class, (logits, gradient)) in (0..).zip(rows) {
            let both = logits.iter().zip(gradient).zip(targets);
            // Single sums of a row only: one long sum of small numbers would lose them.
            let mut row = 0.0;
            for ((&logit, gradient), &target) in both {
                let own = target == class;
                let (x, alpha) = if own { (-logit, alphas.1) } else { (logit, alphas.0) };
                let weight = if target == IGNORED { 0.0 } else { weight * alpha };
                let (value, slope) = background(x, self.gamma);
                row += weight * value;
                *gradient = weight * if own { -slope } else { slope };
            }
            sum += f64::from(row);
        }
        sum
    }
}

/// `p^gamma ln(1 + e^x)` with `p = 1 / (1 + e^-x)`, the loss of background, and its derivative.
/// Objects have the same loss at `-x`.
fn background(x: f32, gamma: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let inverse = 1.0 / (1.0 + e);
    let (p, rest) = if x >= 0.0 { (inverse, e * inverse) } else { (e * inverse, inverse) };
    let entropy = x.max(0.0) + ln_1p(e);
    let power = if gamma == 2.0 { p * p } else { p.powf(gamma) };
    (power * entropy, power * (gamma * rest * entropy + p))
}

/// `e^x` for x from -87 to 0, to the last bits; less is as -87.
///
/// Plain arithmetic, which the compiler can do for several numbers at a time.
fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.max(-87.0);
    let halvings = (x * -std::f32::consts::LOG2_E + 0.5) as i32;
    let n = halvings as f32;
    let r = (x + n * LN_2_HIGH) + n * LN_2_LOW;
    // Taylor's series, of numbers up to ln(2) / 2.
    let tail = r * (1.0 / 720.0) + 1.0 / 120.0;
    let series = ((((tail * r + 1.0 / 24.0) * r + 1.0 / 6.0) * r + 0.5) * r + 1.0) * r + 1.0;
    series * f32::from_bits(((127 - halvings) as u32) << 23)
}

/// `ln(1 + e)` for e from 0 to 1: twice the area tangent of `e / (2 + e)`, which is a third at most.
fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let q = s * s;
    let tail = ((q / 13.0 + 1.0 / 11.0) * q + 1.0 / 9.0) * q + 1.0 / 7.0;
    2.0 * s * (((tail * q + 1.0 / 5.0) * q + 1.0 / 3.0) * q + 1.0)
}

impl CustomOp1 for FocalSum {
    fn name(&self) -> &'static str {
        "focal-loss"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(all), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            bail!("focal loss: expected logits of f32, row by row")
        };
        let logits = &all[start..end];
        let (pictures, each) = (self.weights.len(), self.classes * self.cells);
        let expected = self.targets.len() * self.classes;
        if logits.len() != expected || pictures == 0 || each == 0 {
            bail!("focal loss: {} logits: expected {expected}", logits.len())
        }
        let anchors = logits.len() / each / pictures;
        let mut gradient = vec![0.0; logits.len()];
        let parts = logits.par_chunks_exact(each).zip(gradient.par_chunks_exact_mut(each));
        let parts = parts.zip(self.targets.par_chunks_exact(self.cells)).enumerate();
        let sums = parts.map(|(i, ((logits, gradient), targets))| {
            self.anchor(logits, targets, self.weights[i / anchors.max(1)], gradient)
        });
        // In order, whatever thread was first.
        let sums: Vec<f64> = sums.collect();
        *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = gradient;
        let sum = sums.iter().sum::<f64>() as f32;
        Ok((CpuStorage::F32(vec![sum]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut known = self.gradient.lock().unwrap_or_else(PoisonError::into_inner);
        let gradient =
            Tensor::from_vec(std::mem::take(&mut *known), logits.shape(), logits.device());
        match grad.to_scalar::<f32>()? {
            1.0 => gradient,
            factor => gradient? * f64::from(factor),
        }
        .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_and_logarithms_to_the_last_bits() {
        for i in 0..=8700 {
            let x = -(i as f32) * 0.01;
            let expected = f64::from(x).exp();
            let found = f64::from(exp(x));
            assert!((found - expected).abs() <= 3e-7 * expected, "exp({x}): {found}, {expected}");
            let e = expected as f32;
            let (found, expected) = (f64::from(ln_1p(e)), f64::from(e).ln_1p());
            assert!((found - expected).abs() <= 3e-7 * expected, "ln_1p({e}): {found}, {expected}");
        }
        assert!(exp(-200.0) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }
}
