//! One part of one step: from places to pointers, and to the kernel.

use std::ops::Range;

use super::graph::{Join, Network, Op};
use super::split::{Way, panels, share};
use super::step::{Action, Place, Step};
use crate::nhwc::activation::Activation;
use crate::nhwc::conv::{Conv, Source};
use crate::nhwc::depthwise::Depthwise;
use crate::nhwc::dfc::Dfc;
use crate::nhwc::gemm::{Dense, Gemm, Narrow, Panel, Pixels, ScalePanel, Stream, Target};
use crate::nhwc::gemv::Gemv;
use crate::nhwc::ghost::{self, Ghost};
use crate::nhwc::pool::{AvgPool2x2, GlobalPool};
use crate::nhwc::transpose;
use crate::pack::Matrix;

/// Pixels whose rows stay in the first cache while the panels pass over them, in elements.
const BLOCK_LEN: usize = 6 << 10;

/// Where one picture's memory lies while a plan runs.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) input: *const f32,
    pub(crate) arena: *mut f32,
    pub(crate) batch: *mut f32,
    /// The number of the picture, or of pictures for steps on the whole batch.
    pub(crate) picture: usize,
    /// One for each output, at its first picture.
    pub(crate) outputs: &'a [*mut f32],
}

// SAFETY: the pointers lead into memory that the running plan holds, and tasks of one step write to
// disjoint parts of it.
unsafe impl Send for Frame<'_> {}
// SAFETY: as above.
unsafe impl Sync for Frame<'_> {}

impl Frame<'_> {
    /// A value's memory; `channels` matter for vectors of a batch only.
    pub(super) fn at(&self, place: Place, channels: usize) -> *mut f32 {
        match place {
            Place::Input => self.input.cast_mut(),
            Place::Arena(start) => self.arena.wrapping_add(start),
            Place::Batch(start) => self.batch.wrapping_add(start + self.picture * channels),
        }
    }

    /// A value of the whole batch.
    pub(super) fn all(&self, place: Place) -> *mut f32 {
        Frame { picture: 0, ..*self }.at(place, 0)
    }
}

impl Step {
    /// Runs part `part` of `parts`.
    ///
    /// # Safety
    /// The frame's memory must be as large as the plan says, nobody else may write to what this
    /// part reads or writes, and `scratch` belongs to this thread.
    pub(super) unsafe fn run_part(
        &self,
        network: &Network,
        (part, parts): (usize, usize),
        frame: &Frame,
        scratch: *mut f32,
    ) {
        let isa = network.isa;
        let (input, output) = (self.input, self.output);
        let node = match self.action {
            Action::Compute(node) | Action::Module(node) | Action::Then(node) => {
                &network.nodes[node].op
            }
            // SAFETY: as the caller's.
            Action::Export(index) => return unsafe { self.copy_out(index, (part, parts), frame) },
        };
        let x = frame.at(self.x, input.channels);
        let y = frame.at(self.y, output.channels);
        let rows = match self.split.way {
            Way::Rows => share(output.height, part, parts),
            Way::Channels => 0..output.height,
        };
        let columns = |matrix: &Matrix| match self.split.way {
            Way::Rows => 0..matrix.panels.len(),
            Way::Channels => panels(matrix, part, parts),
        };
        let vectors = |channels: usize| {
            let vectors = channels.div_ceil(isa.lanes());
            if self.split.way == Way::Rows { 0..vectors } else { share(vectors, part, parts) }
        };
        match node {
            Op::Input => {}
            Op::Conv { weights, window, activation, .. } => isa.run(Conv {
                x: match self.x {
                    Place::Input => Source::Planes(x),
                    _ => Source::Pixels(x),
                },
                channels: input.channels,
                input: input.size(),
                kernel: window.kernel,
                stride: window.stride,
                padding: window.padding,
                offsets: &self.table,
                panels: &weights.panels[columns(weights)],
                y: Target::dense(y, output.channels, output.width, *activation),
                rows,
                scratch,
            }),
            Op::Pointwise { weights, activation, .. } => {
                let mut c = Target::dense(y, output.channels, usize::MAX, *activation);
                if let Some(add) = self.join {
                    c.add = frame.at(add, 0);
                    c.add_ld = output.channels;
                }
                let pixels = match self.split.way {
                    Way::Rows => share(output.pixels(), part, parts),
                    Way::Channels => 0..output.pixels(),
                };
                let words = self.words_at(scratch);
                // SAFETY: as the caller's.
                unsafe { product(weights, columns(weights), x, pixels, c, words) }
            }
            Op::Linear { weights, activation, .. } => {
                let count = if matches!(self.y, Place::Batch(_)) { frame.picture } else { 1 };
                let (x, y) = if matches!(self.y, Place::Batch(_)) {
                    (frame.all(self.x), frame.all(self.y))
                } else {
                    (x, y)
                };
                let c = Target::dense(y, output.channels, usize::MAX, *activation);
                let words = self.words_at(scratch);
                // SAFETY: as the caller's.
                unsafe { product(weights, columns(weights), x, 0..count, c, words) }
            }
            Op::Depthwise { filters, window, activation, .. } => isa.run(Depthwise {
                x,
                y,
                channels: input.channels,
                input: input.size(),
                output: output.size(),
                padding: window.padding,
                filter: filters.filter(window.stride),
                activation: *activation,
                rows,
                vectors: vectors(input.channels),
            }),
            Op::Ghost(module) if matches!(self.action, Action::Then(_)) => {
                let Some((filters, window)) = &module.then else { return };
                isa.run(Depthwise {
                    x,
                    y,
                    channels: input.channels,
                    input: input.size(),
                    output: output.size(),
                    padding: window.padding,
                    filter: filters.filter(window.stride),
                    activation: Activation::Identity,
                    rows,
                    vectors: vectors(input.channels),
                });
            }
            Op::Ghost(module) => {
                let then = match (&module.then, self.action) {
                    (Some((filters, window)), Action::Compute(_)) => Some(ghost::Then {
                        filter: filters.filter(window.stride),
                        padding: window.padding,
                        output: output.size(),
                        scratch: scratch.wrapping_add(self.panel_scratch + self.band_scratch),
                    }),
                    _ => None,
                };
                let join = match (module.join, self.join) {
                    (Join::Add(_), Some(add)) => ghost::Join::Add(frame.at(add, 0)),
                    (Join::Gate(_), Some(gate)) => ghost::Join::Gate {
                        gate: frame.at(gate, 0),
                        columns: self.table.as_ptr(),
                        rows: self.second_table.as_ptr(),
                    },
                    _ => ghost::Join::None,
                };
                let band = scratch.wrapping_add(self.panel_scratch);
                let scale = self.scale.map(|scale| frame.at(scale, input.channels).cast_const());
                let scaled = (x.cast_const(), scale.unwrap_or(std::ptr::null()));
                // SAFETY: as the caller's.
                let (x, ld) =
                    unsafe { self.operand(node, &module.primary, scaled, &rows, scratch) };
                let run = |panels: &[(usize, Panel)]| {
                    isa.run(Ghost {
                        x,
                        y,
                        size: input.size(),
                        channels: (ld, module.primary.n, output.channels),
                        panels,
                        cheap: module.cheap.filter(1),
                        activation: module.activation,
                        join,
                        then,
                        rows: rows.clone(),
                        scratch: band,
                    });
                };
                let panels = &module.primary.panels[columns(&module.primary)];
                // In words the scale is on the pixels.
                match scale.filter(|_| module.primary.words.is_none()) {
                    Some(scale) => {
                        for &(column, panel) in panels {
                            let panel = isa.run(ScalePanel { panel, scale, to: scratch });
                            run(&[(column, panel)]);
                        }
                    }
                    None if self.split.way == Way::Rows => run(panels),
                    None => panels.iter().for_each(|panel| run(std::slice::from_ref(panel))),
                }
            }
            Op::Dfc { weights, horizontal, vertical, .. } => {
                let plain = (x.cast_const(), std::ptr::null());
                // SAFETY: as the caller's.
                let (x, ld) = unsafe { self.operand(node, weights, plain, &rows, scratch) };
                for panel in &weights.panels[columns(weights)] {
                    isa.run(Dfc {
                        x,
                        y,
                        size: output.size(),
                        channels: (ld, output.channels),
                        panel: *panel,
                        horizontal: horizontal.filter(1),
                        vertical: vertical.filter(1),
                        activation: Activation::Sigmoid,
                        rows: rows.clone(),
                        scratch,
                    });
                }
            }
            Op::AvgPool2x2 { .. } => {
                isa.run(AvgPool2x2 { x, y, channels: input.channels, width: input.width, rows });
            }
            Op::GlobalPool { .. } => isa.run(GlobalPool {
                x,
                y,
                channels: input.channels,
                pixels: input.pixels(),
                vectors: vectors(input.channels),
            }),
        }
    }

    /// Copies a value to the caller's memory, planes outermost.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn copy_out(&self, index: usize, (part, parts): (usize, usize), frame: &Frame) {
        let (len, channels) = (self.output.len(), self.output.channels);
        let y = frame.outputs[index];
        // SAFETY: as the caller's; a part copies whole channels.
        unsafe {
            if matches!(self.x, Place::Batch(_)) {
                let part = share(frame.picture * len, part, parts);
                let x = frame.all(self.x).add(part.start);
                y.add(part.start).copy_from_nonoverlapping(x, part.len());
            } else {
                let (x, y) = (frame.at(self.x, channels), y.add(frame.picture * len));
                let channel_range = share(channels, part, parts);
                transpose::to_planes(x, y, channels, self.output.pixels(), channel_range);
            }
        }
    }
}

/// Pixels that go through a matrix product together: their rows stay in the nearest cache.
pub(super) fn block_pixels(k: usize) -> usize {
    (BLOCK_LEN / k.max(1)).clamp(28, 168)
}

/// A matrix product of some pixels and panels, in blocks of pixels that stay in the cache.
///
/// # Safety
/// `x` and `c` must have these pixels, and `to` room for a block where the matrix takes words.
unsafe fn product(
    matrix: &Matrix,
    panels: Range<usize>,
    x: *const f32,
    pixels: Range<usize>,
    c: Target,
    to: *mut f32,
) {
    let Matrix { isa, k, words, .. } = *matrix;
    let panels = &matrix.panels[panels];
    let narrow = |x: *const f32, count: usize| match words {
        None => (x, k),
        Some(words) => {
            let scale = std::ptr::null();
            words.run(isa, Narrow { x, scale, k, count, words, to });
            (to.cast_const(), words.per_pixel(k))
        }
    };
    if pixels.len() == 1 && c.add.is_null() {
        let (x, _) = narrow(x.wrapping_add(pixels.start * k), 1);
        let (y, activation) = (c.data.wrapping_add(pixels.start * c.ld), c.activation);
        return match words {
            None => isa.run(Gemv { x, y, panels, activation }),
            Some(words) => words.run(isa, Stream { x, y, panels, activation }),
        };
    }
    let block = block_pixels(k);
    let mut first = pixels.start;
    while first < pixels.end {
        let count = block.min(pixels.end - first);
        let (data, ld) = narrow(x.wrapping_add(first * k), count);
        for &(column, panel) in panels {
            // SAFETY: inside what the caller vouches for.
            unsafe {
                let a = Pixels { data, ld, count };
                let c = Target {
                    data: c.data.add(first * c.ld + column),
                    add: c.add.wrapping_add(if c.add.is_null() {
                        0
                    } else {
                        first * c.add_ld + column
                    }),
                    ..c
                };
                isa.run(Gemm { a, panel, c, addressing: Dense });
            }
        }
        first += count;
    }
}
