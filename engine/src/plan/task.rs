//! One part of one step: from places to pointers, and to the kernel.

use super::graph::{Network, Op};
use super::output::Destination;
use super::product::product;
use super::split::Part;
use super::step::{Action, Place, Step};
use crate::nhwc::activation::Activation;
use crate::nhwc::dfc::Dfc;
use crate::nhwc::gemm::Target;
use crate::nhwc::pool::GlobalPool;
use crate::pack::Matrix;

/// Where one picture's memory lies while a plan runs.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) input: *const f32,
    pub(crate) arena: *mut f32,
    pub(crate) batch: *mut f32,
    /// The number of the picture, or of pictures for steps on the whole batch.
    pub(crate) picture: usize,
    /// One for each output, at its first picture.
    pub(crate) outputs: &'a [Destination],
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
    /// Runs a part.
    ///
    /// # Safety
    /// The frame's memory must be as large as the plan says, nobody else may write to what this
    /// part reads or writes, and `scratch` belongs to this thread.
    pub(super) unsafe fn run_part(
        &self,
        network: &Network,
        part: Part,
        frame: &Frame,
        scratch: *mut f32,
    ) {
        let isa = network.isa;
        let (input, output) = (self.input, self.output);
        let node = match self.action {
            Action::Compute(node)
            | Action::Module(node)
            | Action::Then(node)
            | Action::Primary(node)
            | Action::Planes(node, _) => &network.nodes[node].op,
            Action::Export(index) => {
                // SAFETY: as the caller's.
                return unsafe { self.copy_out(isa, index, part, frame) };
            }
        };
        let x = frame.at(self.x, input.channels);
        let y = frame.at(self.y, output.channels);
        let rows = self.split.rows_of(output.height, part);
        let panels = |matrix: &Matrix| self.split.panels_of(matrix, part);
        let vectors = |channels: usize| self.split.vectors_of(channels.div_ceil(isa.lanes()), part);
        match node {
            Op::Input => {}
            Op::Conv { weights, window, activation, .. } => {
                self.convolve(isa, weights, *window, *activation, (x, y), part, scratch);
            }
            Op::Pointwise { weights, activation, .. }
                if let Action::Planes(_, index) = self.action =>
            {
                let (to, what) = (frame.outputs[index], (&**weights, *activation));
                self.pointwise_out(isa, what, (x, to), frame, part, scratch);
            }
            Op::Pointwise { weights, activation, .. } => {
                let mut c = Target::dense(y, output.channels, usize::MAX, *activation);
                if let Some(add) = self.join {
                    c.add = frame.at(add, 0);
                    c.add_ld = output.channels;
                }
                let pixels = self.split.rows_of(output.pixels(), part);
                let words = self.words_at(scratch);
                // SAFETY: as the caller's.
                unsafe { product(weights, panels(weights), x, pixels, c, words) }
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
                unsafe { product(weights, panels(weights), x, 0..count, c, words) }
            }
            Op::Depthwise { filters, window, activation, .. } => {
                let part = (rows, vectors(input.channels));
                self.depthwise(isa, filters, *window, *activation, (x, y), part);
            }
            Op::Ghost(module) => {
                // SAFETY: as the caller's.
                unsafe { self.ghost(isa, (node, module), (x, y), frame, part, scratch) }
            }
            Op::Dfc { weights, horizontal, vertical, .. } => {
                let plain = (x.cast_const(), std::ptr::null());
                // SAFETY: as the caller's.
                let (x, ld) = unsafe { self.operand(node, weights, plain, &rows, scratch) };
                for panel in &weights.panels[panels(weights)] {
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
            Op::Resize(resize) => self.resize(isa, resize, (x, y), frame, rows),
            Op::GroupNorm(norm) => self.group_norm(isa, norm, (x, y), part, scratch),
            Op::Concat { .. } => {
                // SAFETY: as the caller's.
                unsafe { self.concat(y, frame, self.split.rows_of(output.pixels(), part)) }
            }
            Op::AvgPool { window, count_padding, .. } => {
                self.avg_pool(isa, *window, *count_padding, (x, y), rows);
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
}
