//! The gradient of a depthwise convolution's filters.

use std::ops::Range;

use super::Depthwise;
use crate::isa::{Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};
use crate::plan::Window;

/// Taps of a row of the kernel whose sums stay in registers together.
const ROW_TAPS: usize = 5;

/// Adds a picture's gradient of the filters to sums `[taps, c]`.
pub(super) struct GradWeights<'a> {
    pub(super) shape: &'a Depthwise,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) sums: &'a mut [f32],
}

impl Op for GradWeights<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { shape: Depthwise { input, output, window }, x, dy, sums } = self;
        let channels = input.channels;
        let (kh, kw) = window.kernel;
        assert!(sums.len() == kh * kw * channels);
        assert!(x.len() == input.picture_len() && dy.len() == output.picture_len());
        let mut channel = 0;
        while channel < channels {
            let left = channels - channel;
            for ky in 0..kh {
                for first in (0..kw).step_by(ROW_TAPS) {
                    // SAFETY: the slices have these sizes, and the lanes are channels.
                    unsafe {
                        let row = TapRow {
                            shape: self.shape,
                            x: x.as_ptr().add(channel),
                            dy: dy.as_ptr().add(channel),
                            sums: sums.as_mut_ptr().add(channel),
                            ky,
                            first,
                        };
                        let taps = ROW_TAPS.min(kw - first);
                        if left > I::LANES {
                            row.add_taps::<I, 2>(isa, taps, (left - I::LANES).min(I::LANES));
                        } else {
                            row.add_taps::<I, 1>(isa, taps, left);
                        }
                    }
                }
            }
            channel += 2 * I::LANES;
        }
    }
}

/// Some taps of one row of the kernel, for one or two vectors of channels.
struct TapRow<'a> {
    shape: &'a Depthwise,
    x: *const f32,
    dy: *const f32,
    sums: *mut f32,
    ky: usize,
    /// The first of the taps.
    first: usize,
}

impl TapRow<'_> {
    /// # Safety
    /// As [`TapRow::add`].
    #[inline(always)]
    unsafe fn add_taps<I: Isa, const N: usize>(self, isa: I, taps: usize, lanes: usize) {
        macro_rules! add {
            ($($taps:literal)*) => {
                match taps {
                    // SAFETY: as the caller's.
                    $($taps => unsafe { self.add::<I, N, $taps>(isa, lanes) },)*
                    _ => {}
                }
            };
        }
        add!(1 2 3 4 5);
    }

    /// Adds `T` taps of `N` vectors, the last of `lanes` lanes.
    ///
    /// # Safety
    /// The pointers must lead to these channels of a picture of these shapes, and the kernel's row
    /// have these taps.
    #[inline(always)]
    unsafe fn add<I: Isa, const N: usize, const T: usize>(self, isa: I, lanes: usize) {
        let Depthwise { input, output, window } = *self.shape;
        let Window { kernel: (_, kw), stride, padding, dilation } = window;
        let channels = input.channels;
        let of = |z: usize| if z + 1 == N { lanes } else { I::LANES };
        let mut sums = [[isa.splat(0.0); N]; T];
        let inside = self.inside(T);
        for oy in 0..output.height {
            let Some(iy) = (oy * stride + self.ky * dilation).checked_sub(padding.0) else {
                continue;
            };
            if iy >= input.height {
                break;
            }
            // SAFETY: as the caller's; rows and columns are on the maps.
            unsafe {
                let x = self.x.add(iy * input.width * channels);
                let dy = self.dy.add(oy * output.width * channels);
                for ox in inside.clone() {
                    let dy = dy.add(ox * channels);
                    let left = ox * stride + self.first * dilation - padding.1;
                    let x = x.add(left * channels);
                    for z in 0..N {
                        let gradient = load_lanes(isa, dy.add(z * I::LANES), of(z));
                        for (tap, sums) in sums.iter_mut().enumerate() {
                            let x = x.add(tap * dilation * channels + z * I::LANES);
                            sums[z] = isa.fma(load_lanes(isa, x, of(z)), gradient, sums[z]);
                        }
                    }
                }
                for ox in (0..inside.start).chain(inside.end..output.width) {
                    let dy = dy.add(ox * channels);
                    for (tap, sums) in sums.iter_mut().enumerate() {
                        let right = ox * stride + (self.first + tap) * dilation;
                        let Some(ix) = right.checked_sub(padding.1) else { continue };
                        if ix >= input.width {
                            break;
                        }
                        for (z, sum) in sums.iter_mut().enumerate() {
                            let gradient = load_lanes(isa, dy.add(z * I::LANES), of(z));
                            let x = x.add(ix * channels + z * I::LANES);
                            *sum = isa.fma(load_lanes(isa, x, of(z)), gradient, *sum);
                        }
                    }
                }
            }
        }
        for (tap, sums) in sums.iter().enumerate() {
            for (z, sum) in sums.iter().enumerate() {
                // SAFETY: as the caller's.
                unsafe {
                    let tap = self.ky * kw + self.first + tap;
                    let to = self.sums.add(tap * channels + z * I::LANES);
                    store_lanes(isa, to, isa.add(load_lanes(isa, to, of(z)), *sum), of(z));
                }
            }
        }
    }

    /// Outputs of a row for which all of so many taps are on the map.
    #[inline(always)]
    fn inside(&self, taps: usize) -> Range<usize> {
        let Depthwise { input, output, window } = *self.shape;
        let Window { stride, padding: (_, padding), dilation, .. } = window;
        let left = self.first * dilation;
        let right = left + (taps - 1) * dilation;
        let start = padding.saturating_sub(left).div_ceil(stride).min(output.width);
        let end = (input.width + padding).saturating_sub(right).div_ceil(stride);
        start..end.clamp(start, output.width)
    }
}
