//! One part of the steps that write outputs, all values of them or the highest.

use super::output::Destination;
use super::product::block_pixels;
use super::split::{Part, share};
use super::step::{Place, Step};
use super::task::Frame;
use crate::isa::AnyIsa;
use crate::nhwc::above::Keep;
use crate::nhwc::activation::Activation;
use crate::nhwc::gemm::{AboveGemm, PlanesGemm};
use crate::nhwc::transpose::ToPlanes;
use crate::pack::Matrix;

impl Step {
    /// Part `part` of `parts` of a pointwise convolution straight to the caller's memory.
    pub(super) fn pointwise_out(
        &self,
        isa: AnyIsa,
        (weights, activation): (&Matrix, Activation),
        (x, to): (*const f32, Destination),
        frame: &Frame,
        (part, parts): Part,
        scratch: *mut f32,
    ) {
        let vectors = share(self.output.pixels().div_ceil(isa.lanes()), part, parts);
        let (pixels, panels) = (self.output.pixels(), &weights.panels[..]);
        match to {
            Destination::All(y) => isa.run(PlanesGemm {
                x,
                y: y.wrapping_add(frame.picture * self.output.len()),
                pixels,
                vectors,
                panels,
                activation,
                scratch,
            }),
            Destination::Above(cells) => isa.run(AboveGemm {
                x,
                pixels: vectors.start * isa.lanes()..pixels.min(vectors.end * isa.lanes()),
                block: block_pixels(weights.k),
                panels,
                activation,
                cells: cells.from(frame.picture * pixels),
                floor: cells.floor(frame.picture, part),
                scratch,
            }),
        }
    }

    /// Copies a value to the caller's memory: planes outermost, or cell by cell the highest.
    ///
    /// # Safety
    /// As [`Step::run`].
    pub(super) unsafe fn copy_out(
        &self,
        isa: AnyIsa,
        index: usize,
        (part, parts): Part,
        frame: &Frame,
    ) {
        let (len, channels, pixels) =
            (self.output.len(), self.output.channels, self.output.pixels());
        let batched = matches!(self.x, Place::Batch(_));
        // SAFETY: as the caller's; a part copies whole channels, or whole cells.
        unsafe {
            match frame.outputs[index] {
                Destination::All(y) if batched => {
                    let part = share(frame.picture * len, part, parts);
                    let x = frame.all(self.x).add(part.start);
                    y.add(part.start).copy_from_nonoverlapping(x, part.len());
                }
                Destination::All(y) => {
                    let (x, y) = (frame.at(self.x, channels), y.add(frame.picture * len));
                    let channels_of_part = share(channels, part, parts);
                    isa.run(ToPlanes {
                        x,
                        y,
                        ld: channels,
                        pixels,
                        stride: pixels,
                        channels: channels_of_part,
                    });
                }
                Destination::Above(cells) => {
                    let keep = |x: *const f32, first: usize, count: usize, picture: usize| {
                        let cells = cells.from(first);
                        cells.clear(count);
                        let floor = &mut cells.floor(picture, part);
                        let (ld, columns) = (channels, channels);
                        isa.run(Keep { x, ld, columns, channel: 0, count, cells, floor });
                    };
                    if batched {
                        // Each cell is a picture here.
                        let x = frame.all(self.x);
                        for picture in share(frame.picture, part, parts) {
                            keep(x.add(picture * channels), picture, 1, 0);
                        }
                    } else {
                        let share = share(pixels, part, parts);
                        let x = frame.at(self.x, channels).add(share.start * channels);
                        let first = frame.picture * pixels + share.start;
                        keep(x, first, share.len(), frame.picture);
                    }
                }
            }
        }
    }
}
