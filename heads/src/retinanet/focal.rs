//! Focal loss of whole maps of logits on a CPU: value and gradient in one pass, on all threads.
//!
//! A batch of 16 pictures has 25 million scores in a detector of 80 classes. A chain of operations
//! would go through them twenty times, and this goes once.

use super::Match;
use crate::known_gradient;
use candle::{CpuStorage, Result, Storage, Tensor, bail};
use rayon::prelude::*;

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
        Self { targets, weights, classes, cells, alpha, gamma }
    }

    /// The sum, a scalar with a gradient.
    ///
    /// # Errors
    /// Logits of another shape.
    pub(super) fn of(&self, logits: &Tensor) -> Result<Tensor> {
        let logits = logits.contiguous()?;
        let (sum, gradient) = {
            let (storage, layout) = logits.storage_and_layout();
            match (&*storage, layout.contiguous_offsets()) {
                (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) => {
                    self.sum_and_gradient(&all[start..end])?
                }
                _ => bail!("focal loss: expected logits of f32, row by row"),
            }
        };
        known_gradient::scalar(&logits, sum, gradient)
    }

    fn sum_and_gradient(&self, logits: &[f32]) -> Result<(f64, Vec<f32>)> {
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
        Ok((sums.iter().sum(), gradient))
    }

    /// Value and gradient for all classes of an anchor of a picture, `[classes, cells]`.
    fn anchor(&self, logits: &[f32], targets: &[i32], weight: f32, gradient: &mut [f32]) -> f64 {
        let rows = logits.chunks_exact(self.cells).zip(gradient.chunks_exact_mut(self.cells));
        let row = |(class, (logits, gradient)): (i32, (&[f32], &mut [f32]))| {
            let row = Row { class, weight, alpha: self.alpha, gamma: self.gamma };
            match self.gamma == 2.0 {
                true => row.sum::<true>(logits, targets, gradient),
                false => row.sum::<false>(logits, targets, gradient),
            }
        };
        // Single sums of a row only: one long sum of small numbers would lose them.
        (0..).zip(rows).map(row).map(f64::from).sum()
    }
}

/// Scores that are computed together.
const LANES: usize = 16;

/// The scores of a class.
struct Row {
    class: i32,
    weight: f32,
    alpha: Option<f32>,
    gamma: f32,
}

impl Row {
    /// The sum of the losses of a row; the power is known while compiling where it is the usual one.
    fn sum<const SQUARE: bool>(&self, x: &[f32], targets: &[i32], gradient: &mut [f32]) -> f32 {
        let mut sums = [0.0; LANES];
        let (x, x_rest) = x.as_chunks::<LANES>();
        let (targets, targets_rest) = targets.as_chunks::<LANES>();
        let (gradient, gradient_rest) = gradient.as_chunks_mut::<LANES>();
        for ((x, targets), gradient) in x.iter().zip(targets).zip(gradient) {
            for lane in 0..LANES {
                let (value, slope) = self.one::<SQUARE>(x[lane], targets[lane]);
                sums[lane] += value;
                gradient[lane] = slope;
            }
        }
        let mut sum = sums.iter().sum();
        for ((&x, &target), gradient) in x_rest.iter().zip(targets_rest).zip(gradient_rest) {
            let (value, slope) = self.one::<SQUARE>(x, target);
            sum += value;
            *gradient = slope;
        }
        sum
    }

    #[inline(always)]
    fn one<const SQUARE: bool>(&self, logit: f32, target: i32) -> (f32, f32) {
        let own = target == self.class;
        let alphas = self.alpha.map_or((1.0, 1.0), |alpha| (1.0 - alpha, alpha));
        let (sign, alpha) = if own { (-1.0, alphas.1) } else { (1.0, alphas.0) };
        let weight = if target == IGNORED { 0.0 } else { self.weight * alpha };
        let (value, slope) = background::<SQUARE>(sign * logit, self.gamma);
        (weight * value, sign * weight * slope)
    }
}

/// `p^gamma ln(1 + e^x)` with `p = 1 / (1 + e^-x)`, the loss of background, and its derivative.
/// Objects have the same loss at `-x`.
#[inline(always)]
fn background<const SQUARE: bool>(x: f32, gamma: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let inverse = 1.0 / (1.0 + e);
    let (p, rest) = if x >= 0.0 { (inverse, e * inverse) } else { (e * inverse, inverse) };
    // A maximum with 0 that keeps NaN: a loss must not hide it.
    let entropy = 0.5 * (x + x.abs()) + ln_1p(e);
    let power = if SQUARE { p * p } else { p.powf(gamma) };
    (power * entropy, power * (gamma * rest * entropy + p))
}

/// `e^x` for x from -87 to 0, to the last bits; less is as -87.
///
/// Plain arithmetic, which the compiler does for several numbers at a time.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// A number of this size has no bits left for fractions, and whole numbers in its lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 };
    let halvings = x * -std::f32::consts::LOG2_E + WHOLE;
    let n = halvings - WHOLE;
    let r = (x + n * LN_2_HIGH) + n * LN_2_LOW;
    // Taylor's series, of numbers up to ln(2) / 2.
    let tail = r * (1.0 / 720.0) + 1.0 / 120.0;
    let series = ((((tail * r + 1.0 / 24.0) * r + 1.0 / 6.0) * r + 0.5) * r + 1.0) * r + 1.0;
    let exponent = 127u32.wrapping_add(WHOLE.to_bits()).wrapping_sub(halvings.to_bits());
    series * f32::from_bits(exponent << 23)
}

/// `ln(1 + e)` for e from 0 to 1: twice the area tangent of `e / (2 + e)`, which is a third at most.
#[inline(always)]
fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let q = s * s;
    let tail = ((q * (1.0 / 13.0) + 1.0 / 11.0) * q + 1.0 / 9.0) * q + 1.0 / 7.0;
    2.0 * s * (((tail * q + 1.0 / 5.0) * q + 1.0 / 3.0) * q + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::{Device, Var};

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

    /// All kinds of anchors, all classes, rows that are no multiple of the lanes.
    #[test]
    fn it_is_the_chain_of_operations() -> Result<()> {
        const CLASSES: usize = 3;
        let (anchors, cells) = (2, 35);
        let logits = Var::rand(-9f32, 9.0, (2, anchors * CLASSES, 5, 7), &Device::Cpu)?;
        let kinds = [Match::Background, Match::Box(0), Match::Ignored, Match::Box(1)];
        let matches = |from: usize| -> Vec<Match> {
            (0..anchors * cells).map(|i| kinds[(i * 7 / 3 + from) % 4]).collect()
        };
        let matches = [matches(0), matches(1)];
        let (labels, weights) = ([2u32, 0], [0.5f32, 2.0]);
        for (alpha, gamma) in [(Some(0.25), 2.0), (None, 1.5)] {
            let each = matches.iter().map(|matches| (matches.as_slice(), labels.to_vec()));
            let own = FocalSum::new(each, weights.to_vec(), (CLASSES, cells), (alpha, gamma));
            let own = (own.of(&logits)? * 3.0)?;

            let rows = super::super::head::rows(&[logits.as_tensor().clone()], CLASSES)?;
            let at = |picture: usize, anchor: usize, class: usize| {
                let weight = |weight: f32| (weight, 3.0 * weights[picture]);
                match matches[picture][anchor] {
                    Match::Ignored => (0.0, 0.0),
                    Match::Box(n) if labels[n] as usize == class => weight(1.0),
                    _ => weight(0.0),
                }
            };
            let all = (0..2 * anchors * cells * CLASSES).map(|i| {
                at(i / (anchors * cells * CLASSES), i / CLASSES % (anchors * cells), i % CLASSES)
            });
            let (targets, weights): (Vec<f32>, Vec<f32>) = all.unzip();
            let tensor = |values| Tensor::from_vec(values, rows.shape(), &Device::Cpu);
            let chain = super::super::focal_loss(&rows, &tensor(targets)?, alpha, gamma)?;
            let chain = (chain * tensor(weights)?)?.sum_all()?;

            let (a, b) = (own.to_scalar::<f32>()?, chain.to_scalar::<f32>()?);
            assert!((a - b).abs() < 1e-5 * b.abs(), "{a}, {b}");
            let gradient = |loss: &Tensor| -> Result<Vec<f32>> {
                let gradient = loss.backward()?.get(&logits).expect("it depends on them").clone();
                gradient.flatten_all()?.to_vec1()
            };
            for (a, b) in gradient(&own)?.into_iter().zip(gradient(&chain)?) {
                assert!((a - b).abs() <= 2e-5 * b.abs() + 1e-6, "{a}, {b}");
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_no_number_is_not_hidden() -> Result<()> {
        let logits = Tensor::new(&[0f32, f32::NAN], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
        let matches = [Match::Background; 2];
        let each = [(matches.as_slice(), Vec::new())].into_iter();
        let loss = FocalSum::new(each, vec![1.0], (1, 2), (Some(0.25), 2.0)).of(&logits)?;
        assert!(loss.to_scalar::<f32>()?.is_nan());
        Ok(())
    }
}
