//! One part of a convolution: dense, directly or by Winograd's filtering, or depthwise.

use std::ops::Range;

use super::split::{Way, panels, share};
use super::step::{Place, Step};
use super::window::Window;
use crate::isa::AnyIsa;
use crate::nhwc::activation::Activation;
use crate::nhwc::conv::{Conv, Source};
use crate::nhwc::depthwise::Depthwise;
use crate::nhwc::gemm::Target;
use crate::nhwc::winograd::Winograd;
use crate::pack::{Filters, Kernels, Matrix};

impl Step {
    /// Runs part `part` of `parts` of the convolution of `x` to `y`.
    #[expect(clippy::too_many_arguments, reason = "a convolution and where it is done")]
    pub(super) fn convolve(
        &self,
        isa: AnyIsa,
        kernels: &Kernels,
        window: Window,
        activation: Activation,
        (x, y): (*mut f32, *mut f32),
        (part, parts): (usize, usize),
        scratch: *mut f32,
    ) {
        let (input, output) = (self.input, self.output);
        let share_of = |count: usize| match self.split.way {
            Way::Rows => share(count, part, parts),
            Way::Channels => 0..count,
        };
        let columns = |matrix: &Matrix| match self.split.way {
            Way::Rows => 0..matrix.panels.len(),
            Way::Channels => panels(matrix, part, parts),
        };
        match self.grid {
            Some(grid) => isa.run(Winograd {
                x,
                y,
                channels: (input.channels, output.channels),
                grid,
                bias: &kernels.direct.panels,
                points: &kernels.points,
                panels: columns(&kernels.points[0]),
                tiles: share_of(grid.tiles),
                activation,
                scratch,
            }),
            None => isa.run(Conv {
                x: match self.x {
                    Place::Input => Source::Planes(x),
                    _ => Source::Pixels(x),
                },
                channels: input.channels,
                input: input.size(),
                kernel: window.kernel,
                stride: window.stride,
                padding: window.padding,
                dilation: window.dilation,
                offsets: &self.table,
                panels: &kernels.direct.panels[columns(&kernels.direct)],
                y: Target::dense(y, output.channels, output.width, activation),
                rows: share_of(output.height),
                scratch,
            }),
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
