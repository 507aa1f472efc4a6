//! One part of the steps that heads are made of, beside convolutions.

use std::ops::Range;

use super::graph::GroupNorm;
use super::resize::{Interpolation, Resize};
use super::split::{Part, share};
use super::step::Step;
use super::task::Frame;
use super::window::Window;
use crate::isa::AnyIsa;
use crate::nhwc::pool::{AvgPool, AvgPool2x2};
use crate::nhwc::{concat, group_norm, resize};

impl Step {
    /// Rows `rows` of a map of means.
    pub(super) fn avg_pool(
        &self,
        isa: AnyIsa,
        window: Window,
        count_padding: bool,
        (x, y): (*const f32, *mut f32),
        rows: Range<usize>,
    ) {
        let channels = self.input.channels;
        let (input, width) = (self.input.size(), self.output.width);
        match window {
            Window { kernel: (2, 2), stride: 2, padding: (0, 0), .. } => {
                isa.run(AvgPool2x2 { x, y, channels, width: input.1, rows });
            }
            _ => isa.run(AvgPool { x, y, channels, input, width, window, count_padding, rows }),
        }
    }

    /// Rows `rows` of a resized map.
    pub(super) fn resize(
        &self,
        isa: AnyIsa,
        resize: &Resize,
        (x, y): (*const f32, *mut f32),
        frame: &Frame,
        rows: Range<usize>,
    ) {
        let (columns, from_rows) = (&self.table[..], &self.second_table[..]);
        isa.run(resize::Resize {
            x,
            y,
            add: self.join.map_or(std::ptr::null(), |add| frame.at(add, 0).cast_const()),
            channels: self.output.channels,
            width: self.output.width,
            sources: match resize.interpolation {
                Interpolation::Nearest => resize::Sources::Nearest { columns, rows: from_rows },
                Interpolation::Bilinear | Interpolation::BilinearCorners => {
                    resize::Sources::Linear { columns, rows: from_rows }
                }
            },
            activation: resize.activation,
            rows,
        });
    }

    /// The groups of part `part` of `parts` of a normalised map.
    pub(super) fn group_norm(
        &self,
        isa: AnyIsa,
        norm: &GroupNorm,
        (x, y): (*const f32, *mut f32),
        (part, parts): Part,
        scratch: *mut f32,
    ) {
        isa.run(group_norm::GroupNorm {
            x,
            y,
            channels: self.output.channels,
            pixels: self.output.pixels(),
            group_len: self.output.channels / norm.groups,
            groups: share(norm.groups, part, parts),
            scale: norm.affine.scale.as_ptr(),
            shift: norm.affine.shift.as_ptr(),
            epsilon: norm.epsilon,
            activation: norm.activation,
            scratch,
        });
    }

    /// Pixels `pixels` of a concatenated map.
    ///
    /// # Safety
    /// As [`Step::run`].
    pub(super) unsafe fn concat(&self, y: *mut f32, frame: &Frame, pixels: Range<usize>) {
        let mut to = y;
        for &(part, channels) in &self.parts {
            // SAFETY: as the caller's; the parts' channels together are the output's.
            unsafe {
                let x = frame.at(part, 0);
                concat::concat(x, channels, to, self.output.channels, pixels.clone());
            }
            to = to.wrapping_add(channels);
        }
    }
}
