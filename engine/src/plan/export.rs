//! One part of the steps that write outputs, all values of them or those above a floor.

use std::ops::Range;

use super::output::Destination;
use super::product::block_pixels;
use super::split::share;
use super::step::{Place, Step};
use super::task::Frame;
use crate::isa::AnyIsa;
use crate::nhwc::above::Keep;
use crate::nhwc::activation::Activation;
use crate::nhwc::gemm::{AboveGemm, PlanesGemm};
use crate::nhwc::transpose::ToPlanes;
use crate::pack::Matrix;

impl Step {
    /// Vectors of pixels of a pointwise convolution straight to the caller's memory.
    pub(super) fn pointwise_out(
        &self,
        isa: AnyIsa,
        (weights, activation): (&Matrix, Activation),
        (x, to): (*const f32, Destination),
        frame: &Frame,
        vectors: Range<usize>,
        scratch: *mut f32,
    ) {
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
                scratch,
            }),
        }
    }

    /// Copies a value to the caller's memory: planes outermost, or cell by cell what is above a
    /// floor.
    ///
    /// # Safety
    /// As [`Step::run`].
    pub(super) unsafe fn copy_out(
        &self,
        isa: AnyIsa,
        index: usize,
        (part, parts): (usize, usize),
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
                    let (x, first, count) = if batched {
                        (frame.all(self.x), 0, frame.picture)
                    } else {
                        (frame.at(self.x, channels), frame.picture * pixels, pixels)
                    };
                    let part = share(count, part, parts);
                    let (x, cells) = (x.add(part.start * channels), cells.from(first + part.start));
                    cells.clear(part.len());
                    isa.run(Keep {
                        x,
                        ld: channels,
                        columns: channels,
                        channel: 0,
                        count: part.len(),
                        cells,
                    });
                }
            }
        }
    }
}
