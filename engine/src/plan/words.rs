//! Steps on narrow numbers: their input becomes words first, in the thread's own scratch.

use std::ops::Range;

use super::graph::{Network, Op};
use super::product::block_pixels;
use super::split::{Part, Way, share};
use super::step::{Action, Step};
use super::task::Frame;
use super::window::Window;
use crate::nhwc::depthwise::dilated_rows_under;
use crate::nhwc::gemm::{Narrow, ScalePixels};
use crate::pack::Matrix;

/// Words that stay in a small second-level cache between the pass that makes them and the kernel
/// that reads them.
const CACHED_WORDS: usize = 32 << 10;

/// Rows of a run: each computes the rows that it shares with its neighbours once more.
const LEAST_ROWS: usize = 16;

impl Step {
    /// Runs part `part` of `parts`: a large map whose pixels become words goes through in runs.
    ///
    /// # Safety
    /// The frame's memory must be as large as the plan says, nobody else may write to what this
    /// part reads or writes, and `scratch` belongs to this thread.
    pub(crate) unsafe fn run(
        &self,
        network: &Network,
        (part, parts): Part,
        frame: &Frame,
        scratch: *mut f32,
    ) {
        let _tiles = self.tiles.then(|| network.isa.tiles());
        for run in 0..self.runs {
            let part = (part * self.runs + run, parts * self.runs);
            // SAFETY: as the caller's: the runs of a part are disjoint, and together the part.
            unsafe { self.run_part(network, part, frame, scratch) };
        }
    }

    /// Plans runs and scratch for words, where the matrix of `op` takes its pixels so.
    pub(crate) fn plan_words(&mut self, op: &Op) {
        let Some(matrix) = op.matrix() else { return };
        let Some(words) = matrix.words else { return };
        let pixels = match op {
            Op::Ghost(_) | Op::Dfc { .. } => {
                let row = self.input.width * words.per_pixel(matrix.k);
                let rows = self.output.height / self.split.parts;
                if self.split.way == Way::Rows {
                    let most = (rows / LEAST_ROWS).max(1);
                    self.runs = (self.input.height * row / self.split.parts)
                        .div_ceil(CACHED_WORDS)
                        .clamp(1, most);
                }
                self.most_input_rows(op) * self.input.width
            }
            _ => block_pixels(matrix.k),
        };
        self.words_scratch = words.scratch_len(matrix.k, pixels);
        self.tiles = words.tiles;
    }

    fn most_input_rows(&self, op: &Op) -> usize {
        if self.split.way == Way::Channels {
            return self.input.height;
        }
        // Any member may get a part, and fewer members than parts may be there.
        (1..=self.split.parts)
            .flat_map(|parts| {
                let parts = parts * self.runs;
                (0..parts).map(move |part| share(self.output.height, part, parts))
            })
            .map(|rows| self.input_rows(op, rows).len())
            .max()
            .unwrap_or(0)
    }

    /// The input's rows that these rows of the output are computed from.
    fn input_rows(&self, op: &Op, rows: Range<usize>) -> Range<usize> {
        let height = self.input.height;
        let span = |rows: Range<usize>, window: Window| {
            let Window { kernel: (kernel, _), stride, padding: (padding, _), dilation } = window;
            let taps = (kernel, dilation);
            let under = |row: usize| dilated_rows_under(row, taps, stride, padding, height).0;
            under(rows.start).start..under(rows.end - 1).end
        };
        if rows.is_empty() {
            return 0..0;
        }
        match op {
            Op::Ghost(_) if matches!(self.action, Action::Primary(_)) => rows,
            Op::Ghost(ghost) => {
                let rows = match (&ghost.then, self.action) {
                    (Some((_, window)), Action::Compute(_)) => span(rows, *window),
                    _ => rows,
                };
                span(rows, ghost.window)
            }
            Op::Dfc { vertical, .. } => span(rows, Window::same(vertical.kernel, 1)),
            _ => rows,
        }
    }

    /// Whether a scale is multiplied into the pixels, and not into the weights: where those are
    /// words, or more than the pixels. Weights that are read as they are come from memory while
    /// others are being multiplied.
    pub(crate) fn scales_pixels(&self, matrix: &Matrix) -> bool {
        matrix.words.is_some() || self.input.pixels() < matrix.n
    }

    /// The input as `matrix` takes it for these rows of the output, scaled where its pixels are: a
    /// pointer to its first row, and the pixel stride.
    ///
    /// # Safety
    /// As [`Step::run`]; `scale` is null or has a factor for each channel.
    pub(crate) unsafe fn operand(
        &self,
        op: &Op,
        matrix: &Matrix,
        (x, scale): (*const f32, *const f32),
        rows: &Range<usize>,
        scratch: *mut f32,
    ) -> (*const f32, usize) {
        let scaled = !scale.is_null() && self.scales_pixels(matrix);
        if matrix.words.is_none() && !scaled {
            return (x, self.input.channels);
        }
        let rows = match self.split.way {
            Way::Rows => self.input_rows(op, rows.clone()),
            Way::Channels => 0..self.input.height,
        };
        let (first, count) = (rows.start * self.input.width, rows.len() * self.input.width);
        let k = matrix.k;
        let x = x.wrapping_add(first * k);
        let (to, ld) = match matrix.words {
            Some(words) => {
                let to = self.words_at(scratch);
                words.run(matrix.isa, Narrow { x, scale, k, count, words, to });
                (to, words.per_pixel(k))
            }
            None => {
                matrix.isa.run(ScalePixels { x, scale, k, count, to: scratch });
                (scratch, k)
            }
        };
        (to.wrapping_sub(first * ld), ld)
    }

    /// The scratch for words.
    pub(crate) fn words_at(&self, scratch: *mut f32) -> *mut f32 {
        scratch.wrapping_add(self.panel_scratch + self.band_scratch + self.then_scratch)
    }
}
