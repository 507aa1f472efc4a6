//! One part of a convolution: dense, directly or by Winograd's filtering, or depthwise.

use std::ops::Range;

use super::split::Part;
use super::step::{Place, Step};
use super::window::Window;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::nhwc::conv::{Conv, Source};
use crate::nhwc::depthwise::Depthwise;
use crate::nhwc::gemm::Target;
use crate::nhwc::winograd::Winograd;
use crate::pack::{Filters, Kernels};

impl Step {
    /// Runs a part of the convolution of `x` to `y`.
    #[expect(clippy::too_many_arguments, reason = "a convolution and where it is done")]
    pub(super) fn convolve(
        &self,
        isa: AnyIsa,
        kernels: &Kernels,
        window: Window,
        activation: Activation,
        (x, y): (*mut f32, *mut f32),
        part: Part,
        scratch: *mut f32,
    ) {
        let (input, output) = (self.input, self.output);
        match self.grid {
            Some(grid) => isa.run(Winograd {
                x,
                y,
                channels: (input.channels, output.channels),
                grid,
                bias: &kernels.direct.panels,
                points: &kernels.points,
                panels: self.split.panels_of(&kernels.points[0], part),
                tiles: self.split.rows_of(grid.tiles, part),
                activation,
                scratch,
            }),
            None => isa.run(Conv {
                x: self.source(x),
                channels: input.channels,
                input: input.size(),
                kernel: window.kernel,
                stride: window.stride,
                padding: window.padding,
                dilation: window.dilation,
                offsets: &self.table,
                panels: &kernels.direct.panels[self.split.panels_of(&kernels.direct, part)],
                y: Target::dense(y, output.channels, output.width, activation),
                rows: self.split.rows_of(output.height, part),
                scratch,
            }),
        }
    }

    /// The input of a convolution, at `x`.
    pub(super) fn source(&self, x: *const f32) -> Source {
        match self.x {
            Place::Input => Source::Planes(x),
            _ => Source::Pixels(x),
        }
    }

    /// Rows and vectors of channels of a depthwise convolution of `x` to `y`.
    pub(super) fn depthwise(
        &self,
        isa: AnyIsa,
        filters: &Filters,
        window: Window,
        activation: Activation,
        (x, y): (*const f32, *mut f32),
        (rows, vectors): (Range<usize>, Range<usize>),
    ) {
        isa.run(Depthwise {
            x,
            y,
            channels: self.input.channels,
            input: self.input.size(),
            output: self.output.size(),
            padding: window.padding,
            dilation: window.dilation,
            filter: filters.filter(window.stride),
            activation,
            rows,
            vectors,
        });
    }
}
