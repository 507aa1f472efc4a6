//! The gradient of the input of a depthwise convolution whose stride is more than 1: each input
//! gathers from the outputs whose windows lie over it, which are few.

use super::{Depthwise, in_shares};
use crate::isa::{AnyIsa, Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};
use crate::training::split::Span;

impl Depthwise {
    /// `weights` are `[taps, c]`.
    pub(super) fn grad_input_strided(
        &self,
        isa: AnyIsa,
        dy: &[f32],
        weights: &[f32],
        dx: &mut [f32],
    ) {
        let Self { input, output, .. } = *self;
        let row_len = input.width * input.channels;
        let stride = self.window.stride;
        let to = Span::new(dx);
        in_shares(input, row_len * self.taps().div_ceil(stride * stride), |picture, rows| {
            let dy = &dy[picture * output.picture_len()..][..output.picture_len()];
            for row in rows {
                let start = picture * input.picture_len() + row * row_len;
                // SAFETY: no other share has this row.
                let dx = unsafe { to.slice(start..start + row_len) };
                isa.run(GatherRow { shape: self, dy, weights, row, dx });
            }
        });
    }
}

/// Where the windows over a position lie, along one axis: from the output `first` with the kernel's
/// `tap` back to earlier outputs, the tap a stride further for each.
#[derive(Clone, Copy)]
struct Over {
    first: usize,
    tap: usize,
    count: usize,
}

impl Over {
    #[inline(always)]
    fn new(at: usize, kernel: usize, stride: usize, padding: usize, outputs: usize) -> Self {
        let place = at + padding;
        // Outputs beyond the last are not there.
        let beyond = (place / stride + 1).saturating_sub(outputs);
        let (first, tap) = (place / stride - beyond, place % stride + beyond * stride);
        Self { first, tap, count: kernel.saturating_sub(tap).div_ceil(stride).min(first + 1) }
    }
}

/// A row of the input's gradient.
struct GatherRow<'a> {
    shape: &'a Depthwise,
    /// One picture.
    dy: &'a [f32],
    weights: &'a [f32],
    row: usize,
    dx: &'a mut [f32],
}

impl Op for GatherRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Depthwise { input, output, window } = *self.shape;
        let (kernel, stride, padding) = (window.kernel, window.stride, window.padding);
        let channels = input.channels;
        assert!(self.weights.len() == kernel.0 * kernel.1 * channels);
        assert!(self.dy.len() == output.picture_len());
        let rows = Over::new(self.row, kernel.0, stride, padding.0, output.height);
        for (column, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            let columns = Over::new(column, kernel.1, stride, padding.1, output.width);
            let mut channel = 0;
            while channel < channels {
                let left = channels - channel;
                let (shape, over) = (self.shape, (rows, columns));
                // SAFETY: the lanes are channels, the windows lie on the output.
                unsafe {
                    let dy = self.dy.as_ptr().add(channel);
                    let from = (dy, self.weights.as_ptr().add(channel));
                    let to = dx.as_mut_ptr().add(channel);
                    if left > I::LANES {
                        let lanes = (left - I::LANES).min(I::LANES);
                        shape.gather::<I, 2>(isa, from, over, to, lanes);
                    } else {
                        shape.gather::<I, 1>(isa, from, over, to, left);
                    }
                }
                channel += 2 * I::LANES;
            }
        }
    }
}

impl Depthwise {
    /// `N` vectors of channels of one input pixel, the last of `lanes` lanes.
    ///
    /// # Safety
    /// The pointers must lead to these channels, of the output's gradient, the filters and the
    /// pixel.
    #[inline(always)]
    unsafe fn gather<I: Isa, const N: usize>(
        &self,
        isa: I,
        (dy, weights): (*const f32, *const f32),
        (rows, columns): (Over, Over),
        dx: *mut f32,
        lanes: usize,
    ) {
        let Self { output, window, .. } = *self;
        let channels = output.channels;
        let of = |z: usize| if z + 1 == N { lanes } else { I::LANES };
        let mut sums = [isa.splat(0.0); N];
        for i in 0..rows.count {
            for j in 0..columns.count {
                let pixel = (rows.first - i) * output.width + columns.first - j;
                let tap = (rows.tap + i * window.stride) * window.kernel.1
                    + columns.tap
                    + j * window.stride;
                for (z, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: as the caller's.
                    unsafe {
                        let dy = dy.add(pixel * channels + z * I::LANES);
                        let w = weights.add(tap * channels + z * I::LANES);
                        let (dy, w) = (load_lanes(isa, dy, of(z)), load_lanes(isa, w, of(z)));
                        *sum = isa.fma(dy, w, *sum);
                    }
                }
            }
        }
        for (z, sum) in sums.iter().enumerate() {
            // SAFETY: as the caller's.
            unsafe { store_lanes(isa, dx.add(z * I::LANES), *sum, of(z)) };
        }
    }
}
