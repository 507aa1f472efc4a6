//! One part of one step: from places to pointers, and to the kernel.

use super::graph::{Join, Network, Op};
use super::output::Destination;
use super::product::product;
use super::split::{Way, panels, share};
use super::step::{Action, Place, Step};
use crate::nhwc::activation::Activation;
use crate::nhwc::dfc::Dfc;
use crate::nhwc::gemm::{Panel, ScalePanel, Target};
use crate::nhwc::ghost::{self, Ghost, Primary};
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
            Action::Compute(node)
            | Action::Module(node)
            | Action::Then(node)
            | Action::Primary(node)
            | Action::Planes(node, _) => &network.nodes[node].op,
            Action::Export(index) => {
                // SAFETY: as the caller's.
                return unsafe { self.copy_out(isa, index, (part, parts), frame) };
            }
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
            Op::Conv { weights, window, activation, .. } => {
                self.convolve(isa, weights, *window, *activation, (x, y), (part, parts), scratch);
            }
            Op::Pointwise { weights, activation, .. }
                if let Action::Planes(_, index) = self.action =>
            {
                let (to, what) = (frame.outputs[index], (&**weights, *activation));
                self.pointwise_out(isa, what, (x, to), frame, (part, parts), scratch);
            }
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
            Op::Depthwise { filters, window, activation, .. } => {
                let part = (rows, vectors(input.channels));
                self.depthwise(isa, filters, *window, *activation, (x, y), part);
            }
            Op::Ghost(module) if matches!(self.action, Action::Then(_)) => {
                let Some((filters, window)) = &module.then else { return };
                let (part, none) = ((rows, vectors(input.channels)), Activation::Identity);
                self.depthwise(isa, filters, *window, none, (x, y), part);
            }
            Op::Ghost(module) => {
                let primary_only = matches!(self.action, Action::Primary(_));
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
                let band = match self.primary {
                    Some(primary) => frame.at(primary, 0),
                    None => scratch.wrapping_add(self.panel_scratch),
                };
                let computed = self.primary.is_some() && !primary_only;
                let scale = self.scale.filter(|_| !computed);
                let scale = scale.map(|scale| frame.at(scale, input.channels).cast_const());
                let scaled = (x.cast_const(), scale.unwrap_or(std::ptr::null()));
                // SAFETY: as the caller's.
                let (x, ld) =
                    unsafe { self.operand(node, &module.primary, scaled, &rows, scratch) };
                let run = |panels: &[(usize, Panel)]| match primary_only {
                    true => isa.run(Primary {
                        x,
                        size: input.size(),
                        input: ld,
                        panels,
                        activation: module.activation,
                        rows: rows.clone(),
                        padding: module.window.padding.0,
                        ld: module.primary.n.next_multiple_of(isa.lanes()),
                        band,
                    }),
                    false => isa.run(Ghost {
                        x,
                        y,
                        size: input.size(),
                        channels: (ld, module.primary.n, output.channels),
                        panels,
                        cheap: module.cheap.filter(1),
                        dilation: module.window.dilation,
                        activation: module.activation,
                        join,
                        then,
                        rows: rows.clone(),
                        filled: computed,
                        scratch: band,
                    }),
                };
                let panels = &module.primary.panels[columns(&module.primary)];
                match scale.filter(|_| !self.scales_pixels(&module.primary)) {
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
            Op::Resize(resize) => self.resize(isa, resize, (x, y), frame, rows),
            Op::GroupNorm(norm) => self.group_norm(isa, norm, (x, y), (part, parts), scratch),
            Op::Concat { .. } => {
                // SAFETY: as the caller's.
                unsafe { self.concat(y, frame, share(output.pixels(), part, parts)) }
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
