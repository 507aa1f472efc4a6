//! Cross entropy of resized logits on a CPU: value and gradient in one pass, without the resized
//! logits ever being in memory.

use super::UNLABELLED;
use crate::known_gradient;
use crate::placement::Size;
use candle::{CpuStorage, Result, Storage, Tensor, bail};
use ghostnetv2::ops::{BilinearTaps, bilinear_taps};
use rayon::prelude::*;

/// The sum over all pixels with a label, divided.
#[derive(Debug)]
pub(super) struct EntropySum {
    /// Of all pictures, row by row.
    labels: Vec<u8>,
    divisor: f32,
    rows: Vec<BilinearTaps>,
    columns: Vec<BilinearTaps>,
}

impl EntropySum {
    /// For logits of height and width `from` and label maps of `to`.
    pub(super) fn new(
        labels: Vec<u8>,
        (from, to): (Size, Size),
        align_corners: bool,
        divisor: usize,
    ) -> Self {
        Self {
            labels,
            divisor: divisor as f32,
            rows: bilinear_taps(from.0, to.0, align_corners),
            columns: bilinear_taps(from.1, to.1, align_corners),
        }
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
                    self.sum_and_gradient(&all[start..end], logits.dims4()?)?
                }
                _ => bail!("cross entropy: expected logits of f32, row by row"),
            }
        };
        known_gradient::scalar(&logits, sum, gradient)
    }

    fn sum_and_gradient(
        &self,
        logits: &[f32],
        (b, classes, h, w): (usize, usize, usize, usize),
    ) -> Result<(f64, Vec<f32>)> {
        let pixels = self.rows.len() * self.columns.len();
        let mut gradient = vec![0f32; logits.len()];
        let len = (classes * h * w).max(1);
        let pictures = gradient.par_chunks_mut(len).zip(logits.par_chunks(len));
        let sums: Vec<f64> = pictures
            .zip(self.labels.par_chunks(pixels.max(1)))
            .map(|((gradient, logits), labels)| self.picture(logits, labels, (h, w), gradient))
            .collect();
        if sums.len() != b {
            bail!("cross entropy: label maps of {} pictures for {b}", sums.len())
        }
        Ok((sums.iter().sum::<f64>() / f64::from(self.divisor), gradient))
    }

    /// The sum of a picture; `logits` and their gradient are `[classes, height, width]`.
    fn picture(
        &self,
        logits: &[f32],
        labels: &[u8],
        (height, width): Size,
        gradient: &mut [f32],
    ) -> f64 {
        let (across, plane) = (self.columns.len(), height * width);
        let classes = logits.len() / plane;
        let mut line = vec![0f32; classes * width];
        let mut scores = vec![0f32; classes * across];
        let mut sum = 0.0;
        for (rows, labels) in self.rows.iter().zip(labels.chunks_exact(across)) {
            let (upper, lower) = (rows.first * width, rows.second * width);
            for (line, plane) in line.chunks_exact_mut(width).zip(logits.chunks_exact(plane)) {
                let both = plane[upper..][..width].iter().zip(&plane[lower..][..width]);
                for (value, (above, below)) in line.iter_mut().zip(both) {
                    *value = above * (1.0 - rows.share) + below * rows.share;
                }
            }
            for (scores, line) in scores.chunks_exact_mut(across).zip(line.chunks_exact(width)) {
                for (score, taps) in scores.iter_mut().zip(&self.columns) {
                    *score = line[taps.first] * (1.0 - taps.share) + line[taps.second] * taps.share;
                }
            }
            sum += self.entropy(&mut scores, labels);
            line.fill(0.0);
            for (scores, line) in scores.chunks_exact(across).zip(line.chunks_exact_mut(width)) {
                for (slope, taps) in scores.iter().zip(&self.columns) {
                    line[taps.first] += slope * (1.0 - taps.share);
                    line[taps.second] += slope * taps.share;
                }
            }
            for (line, plane) in line.chunks_exact(width).zip(gradient.chunks_exact_mut(plane)) {
                for (value, slope) in plane[upper..][..width].iter_mut().zip(line) {
                    *value += slope * (1.0 - rows.share);
                }
                for (value, slope) in plane[lower..][..width].iter_mut().zip(line) {
                    *value += slope * rows.share;
                }
            }
        }
        sum
    }

    /// Turns the scores `[classes, width]` of a row into the gradient for them, and gives the sum of
    /// the row.
    fn entropy(&self, scores: &mut [f32], labels: &[u8]) -> f64 {
        let across = labels.len();
        let mut most = vec![f32::NEG_INFINITY; across];
        for scores in scores.chunks_exact(across) {
            for (most, score) in most.iter_mut().zip(scores) {
                *most = most.max(*score);
            }
        }
        let mut sum = 0f32;
        for (i, (label, most)) in labels.iter().zip(&most).enumerate() {
            if *label != UNLABELLED {
                sum += most - scores[usize::from(*label) * across + i];
            }
        }
        let mut totals = vec![0f32; across];
        for scores in scores.chunks_exact_mut(across) {
            for ((score, most), total) in scores.iter_mut().zip(&most).zip(&mut totals) {
                *score = (*score - most).exp();
                *total += *score;
            }
        }
        for (label, total) in labels.iter().zip(&mut totals) {
            let labelled = *label != UNLABELLED;
            sum += if labelled { total.ln() } else { 0.0 };
            *total = if labelled { 1.0 / (self.divisor * *total) } else { 0.0 };
        }
        for scores in scores.chunks_exact_mut(across) {
            for (score, total) in scores.iter_mut().zip(&totals) {
                *score *= total;
            }
        }
        for (i, label) in labels.iter().enumerate().filter(|(_, label)| **label != UNLABELLED) {
            scores[usize::from(*label) * across + i] -= 1.0 / self.divisor;
        }
        f64::from(sum)
    }
}
