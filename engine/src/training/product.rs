//! Matrix products of a training step, on the register tiles of plans.
//!
//! Weights change with every step, so they are packed in each; what is read in place by plans,
//! the pixels, is so here too.

use rayon::prelude::*;

use super::outer::Outer;
use super::split::Span;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::nhwc::gemm::{Dense, Gemm, Panel, Pixels, Target, Weights};
use crate::pack::panel_places;
use crate::plan::{block_pixels, share};

/// Tasks that a product is split into, if it is large: enough for threads to share evenly.
const TASKS: usize = 16;

/// Multiply-adds that are worth a task.
const TASK_WORK: usize = 1 << 17;

/// A matrix `[k, n]` in panels of columns, and what is added to each column.
pub(super) struct Packed {
    isa: AnyIsa,
    k: usize,
    n: usize,
    /// Each panel's first column, vectors, and columns of its last vector.
    places: Vec<(usize, usize, usize)>,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Packed {
    /// From `[n, k]`, as weights lie in checkpoints: for outputs from inputs.
    pub(super) fn of_rows(isa: AnyIsa, weights: &[f32], n: usize, bias: Option<&[f32]>) -> Self {
        let k = weights.len() / n.max(1);
        Self::pack(isa, (k, n), bias, |to, width, column, columns| {
            for (row, from) in weights[column * k..][..columns * k].chunks_exact(k).enumerate() {
                for (value, to) in from.iter().zip(to[row..].iter_mut().step_by(width)) {
                    *to = *value;
                }
            }
        })
    }

    /// From `[k, n]`: for the gradient of inputs from that of outputs.
    pub(super) fn of_columns(isa: AnyIsa, weights: &[f32], k: usize) -> Self {
        let n = weights.len() / k.max(1);
        Self::pack(isa, (k, n), None, |to, width, column, columns| {
            for (from, to) in weights.chunks_exact(n).zip(to.chunks_exact_mut(width)) {
                to[..columns].copy_from_slice(&from[column..][..columns]);
            }
        })
    }

    fn pack(
        isa: AnyIsa,
        (k, n): (usize, usize),
        bias: Option<&[f32]>,
        fill: impl Fn(&mut [f32], usize, usize, usize) + Sync,
    ) -> Self {
        let lanes = isa.lanes();
        let padded = n.next_multiple_of(lanes);
        let mut weights = vec![0.0; padded * k];
        let mut padded_bias = vec![0.0; padded];
        if let Some(bias) = bias {
            padded_bias[..n].copy_from_slice(bias);
        }
        let places = panel_places(isa, n);
        let (mut panels, mut rest) = (Vec::new(), weights.as_mut_slice());
        for &(column, vectors, _) in &places {
            let width = vectors * lanes;
            let (panel, others) = std::mem::take(&mut rest).split_at_mut(width * k);
            panels.push((panel, width, column, width.min(n - column)));
            rest = others;
        }
        panels
            .into_par_iter()
            .with_min_len((TASK_WORK / (2 * lanes * k).max(1)).max(1))
            .for_each(|(panel, width, column, columns)| fill(panel, width, column, columns));
        Self { isa, k, n, places, weights, bias: padded_bias }
    }

    /// `c = a · self + bias`: `a` is `[m, k]`, `c` `[m, n]`.
    pub(super) fn multiply(&self, a: &[f32], c: &mut [f32]) {
        let (k, n) = (self.k, self.n);
        let m = a.len() / k.max(1);
        debug_assert_eq!((a.len(), c.len()), (m * k, m * n));
        let block = block_pixels(k);
        let blocks = m.div_ceil(block);
        let tasks = (m * n * k / TASK_WORK).clamp(1, TASKS);
        // Few pixels: the panels are shared among the tasks.
        let groups = (tasks / blocks.max(1)).clamp(1, self.places.len().max(1));
        let strips = tasks.div_ceil(groups).min(blocks).max(1);
        let c = Span::new(c);
        (0..groups * strips).into_par_iter().for_each(|task| {
            let panels = share(self.places.len(), task % groups, groups);
            for block_number in share(blocks, task / groups, strips) {
                let first = block_number * block;
                let count = block.min(m - first);
                // SAFETY: no other task has this block's pixels in these panels' columns, and both
                // matrices have them.
                unsafe {
                    let a = Pixels { data: a.as_ptr().add(first * k), ld: k, count };
                    self.panels(panels.clone(), a, c.pointer().add(first * n));
                }
            }
        });
    }

    /// Some panels for some pixels.
    ///
    /// # Safety
    /// `a` must be pixels of `k` channels, and `c` have room for as many of `n`.
    unsafe fn panels(&self, panels: std::ops::Range<usize>, a: Pixels, c: *mut f32) {
        for &(column, vectors, tail) in &self.places[panels] {
            let panel = Panel {
                weights: Weights::F32(self.weights[column * self.k..].as_ptr()),
                bias: self.bias[column..].as_ptr(),
                k: self.k,
                vectors,
                tail,
                tiles: false,
            };
            let to = c.wrapping_add(column);
            let c = Target::dense(to, self.n, a.count, Activation::Identity);
            self.isa.run(Gemm { a, panel, c, addressing: Dense });
        }
    }
}

/// `c += aᵀ · b`: `a` is `[m, n]`, `b` `[m, k]`, `c` `[n, k]`. The gradient of weights: `a` is that
/// of the outputs, `b` the inputs.
pub(super) fn multiply_transposed(isa: AnyIsa, a: &[f32], b: &[f32], n: usize, c: &mut [f32]) {
    let k = c.len() / n.max(1);
    let m = a.len() / n.max(1);
    debug_assert_eq!((b.len(), c.len()), (m * k, n * k));
    let tasks = (m * n * k / TASK_WORK).clamp(1, TASKS);
    // Rows of `c` are shared among the tasks; where there are few, the sum over `m` is, too.
    let height = Outer::height(isa);
    let strips = n.div_ceil(height).min(tasks).max(1);
    let sums = tasks.div_ceil(strips).min(m).max(1);
    let rows_of = |strip| {
        let rows = share(n.div_ceil(height), strip, strips);
        rows.start * height..(rows.end * height).min(n)
    };
    if sums == 1 {
        let c = Span::new(c);
        (0..strips).into_par_iter().for_each(|strip| {
            // SAFETY: each strip has rows of its own.
            isa.run(unsafe { Outer::new(a, b, (n, k), 0..m, rows_of(strip), c.pointer()) });
        });
        return;
    }
    let mut partial = vec![0.0; sums * n * k];
    {
        let to = Span::new(&mut partial);
        (0..strips * sums).into_par_iter().for_each(|task| {
            let (strip, sum) = (task % strips, task / strips);
            // SAFETY: each task has rows of its own in a matrix of its own.
            unsafe {
                let c = to.pointer().add(sum * n * k);
                isa.run(Outer::new(a, b, (n, k), share(m, sum, sums), rows_of(strip), c));
            }
        });
    }
    for part in partial.chunks_exact(n * k) {
        for (c, part) in c.iter_mut().zip(part) {
            *c += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random.
    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn close(found: &[f32], expected: impl Iterator<Item = f64>, what: &str) {
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (f64::from(*found) - expected).abs();
            assert!(off <= 1e-4 * expected.abs().max(1.0), "{what} {i}: {found}, not {expected}");
        }
    }

    #[test]
    fn products_are_those_of_three_loops() {
        for isa in AnyIsa::available() {
            for (m, n, k) in [(1, 1, 1), (5, 7, 3), (64, 130, 33), (301, 12, 20), (3000, 8, 16)] {
                let (a, w, bias) = (numbers(m * k, 1), numbers(n * k, 2), numbers(n, 3));
                let what = format!("{} {m}x{n}x{k}", isa.name());
                let at = |i: usize, j: usize| -> f64 {
                    (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(w[j * k + x])).sum()
                };
                let mut c = vec![f32::NAN; m * n];
                Packed::of_rows(isa, &w, n, Some(&bias)).multiply(&a, &mut c);
                let expected = |i: usize| at(i / n, i % n) + f64::from(bias[i % n]);
                close(&c, (0..m * n).map(expected), &what);

                let mut back = vec![f32::NAN; m * k];
                Packed::of_columns(isa, &w, n).multiply(&c, &mut back);
                let expected = |i: usize| -> f64 {
                    let (i, x) = (i / k, i % k);
                    (0..n).map(|j| f64::from(c[i * n + j]) * f64::from(w[j * k + x])).sum()
                };
                close(&back, (0..m * k).map(expected), &what);

                let mut gradient = vec![1.0; n * k];
                multiply_transposed(isa, &c, &a, n, &mut gradient);
                let expected = |i: usize| -> f64 {
                    let (j, x) = (i / k, i % k);
                    let sum = |i: usize| f64::from(c[i * n + j]) * f64::from(a[i * k + x]);
                    1.0 + (0..m).map(sum).sum::<f64>()
                };
                close(&gradient, (0..n * k).map(expected), &what);
            }
        }
    }
}
