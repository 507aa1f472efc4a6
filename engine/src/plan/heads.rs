//! One part of the steps that only heads have.

use std::ops::Range;

use super::graph::GroupNorm;
use super::resize::{Interpolation, Resize};
use super::split::share;
use super::step::Step;
use super::task::Frame;
use crate::isa::AnyIsa;
use crate::nhwc::{concat, group_norm, resize};

impl Step {
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
        (part, parts): (usize, usize),
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
