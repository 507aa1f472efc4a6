//! Parts of the steps of ghost modules: the whole module, its primary features alone, what is made
//! of those, or the depthwise convolution behind it.

use std::ops::Range;

use super::graph::{self, Join, Op};
use super::split::{Part, Way};
use super::step::{Action, Step};
use super::task::Frame;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::nhwc::gemm::{Panel, ScalePanel};
use crate::nhwc::ghost::{self, Ghost, Primary};

/// An input as a matrix takes it: its first row, and the pixel stride.
type Operand = (*const f32, usize);

impl Step {
    /// Runs a part of a step of `module`, which is the operation `op`.
    ///
    /// # Safety
    /// As [`Step::run`].
    pub(super) unsafe fn ghost(
        &self,
        isa: AnyIsa,
        (op, module): (&Op, &graph::Ghost),
        (x, y): (*mut f32, *mut f32),
        frame: &Frame,
        part: Part,
        scratch: *mut f32,
    ) {
        let rows = self.split.rows_of(self.output.height, part);
        let panels = &module.primary.panels[self.split.panels_of(&module.primary, part)];
        match (self.action, self.primary.map(|primary| frame.at(primary, 0))) {
            (Action::Then(_), _) => {
                if let Some((filters, window)) = &module.then {
                    let vectors =
                        self.split.vectors_of(self.input.channels.div_ceil(isa.lanes()), part);
                    let part = (rows, vectors);
                    self.depthwise(isa, filters, *window, Activation::Identity, (x, y), part);
                }
            }
            (Action::Primary(_), Some(band)) => {
                let primary = |(x, input): Operand, panels: &[(usize, Panel)]| {
                    isa.run(Primary {
                        x,
                        size: self.input.size(),
                        input,
                        panels,
                        activation: module.activation,
                        rows: rows.clone(),
                        padding: module.window.padding.0,
                        ld: module.primary.n.next_multiple_of(isa.lanes()),
                        band,
                    });
                };
                // SAFETY: as the caller's.
                unsafe { self.scaled((op, module), x, frame, (&rows, panels), scratch, primary) }
            }
            (_, filled) => {
                let band = filled.unwrap_or(scratch.wrapping_add(self.panel_scratch));
                let whole = |(x, input): Operand, panels: &[(usize, Panel)]| {
                    isa.run(Ghost {
                        x,
                        y,
                        size: self.input.size(),
                        channels: (input, module.primary.n, self.output.channels),
                        panels,
                        cheap: module.cheap.filter(1),
                        dilation: module.window.dilation,
                        activation: module.activation,
                        join: self.joined(module.join, frame),
                        then: self.then(module, scratch),
                        rows: rows.clone(),
                        filled: filled.is_some(),
                        scratch: band,
                    });
                };
                match filled {
                    Some(_) => whole((x, self.input.channels), panels),
                    // SAFETY: as the caller's.
                    None => unsafe {
                        self.scaled((op, module), x, frame, (&rows, panels), scratch, whole);
                    },
                }
            }
        }
    }

    /// Calls `run` with the input as the primary convolution takes it, and with neighbouring panels
    /// that go together. The scale is multiplied into one of them.
    ///
    /// # Safety
    /// As [`Step::run`].
    unsafe fn scaled(
        &self,
        (op, module): (&Op, &graph::Ghost),
        x: *const f32,
        frame: &Frame,
        (rows, panels): (&Range<usize>, &[(usize, Panel)]),
        scratch: *mut f32,
        run: impl Fn(Operand, &[(usize, Panel)]),
    ) {
        let matrix = &module.primary;
        let scale = self.scale.map(|scale| frame.at(scale, self.input.channels).cast_const());
        let pixels = (x, scale.unwrap_or(std::ptr::null()));
        // SAFETY: as the caller's; the scale has a factor for each channel.
        let x = unsafe { self.operand(op, matrix, pixels, rows, scratch) };
        match scale.filter(|_| !self.scales_pixels(matrix)) {
            Some(scale) => {
                for &(column, panel) in panels {
                    let panel = matrix.isa.run(ScalePanel { panel, scale, to: scratch });
                    run(x, &[(column, panel)]);
                }
            }
            None if self.split.way == Way::Rows => run(x, panels),
            None => panels.iter().for_each(|panel| run(x, std::slice::from_ref(panel))),
        }
    }

    /// Where the shortcut or the gate of a module lies.
    fn joined(&self, join: Join, frame: &Frame) -> ghost::Join {
        match (join, self.join) {
            (Join::Add(_), Some(add)) => ghost::Join::Add(frame.at(add, 0)),
            (Join::Gate(_), Some(gate)) => ghost::Join::Gate {
                gate: frame.at(gate, 0),
                columns: self.table.as_ptr(),
                rows: self.second_table.as_ptr(),
            },
            _ => ghost::Join::None,
        }
    }

    /// The depthwise convolution behind a module, where this step computes both.
    fn then(&self, module: &graph::Ghost, scratch: *mut f32) -> Option<ghost::Then> {
        let (filters, window) = module.then.as_ref()?;
        matches!(self.action, Action::Compute(_)).then(|| ghost::Then {
            filter: filters.filter(window.stride),
            padding: window.padding,
            output: self.output.size(),
            scratch: scratch.wrapping_add(self.panel_scratch + self.band_scratch),
        })
    }
}
