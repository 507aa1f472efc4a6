//! Forward and input gradient as one operation: the correlation of a padded plane with a kernel.

use super::DepthwiseShape;

/// What copying an element costs, in multiply-adds: fitted to `benches/depthwise.rs`.
const COPY_WORK: usize = 4;

/// What a plane costs besides, in multiply-adds: fitted to `benches/depthwise.rs`.
const PLANE_WORK: usize = 256;

/// `out[r, c] = Σ taps[ky, kx] · padded[r·stride.0 + ky, c·stride.1 + kx]`, where `padded` holds
/// `source[i, j]` at `(origin.0 + i·dilation.0, origin.1 + j·dilation.1)` and zero elsewhere.
///
/// Stride or dilation is one on each axis. A negative origin crops the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) source: (usize, usize),
    pub(super) origin: (isize, isize),
    pub(super) dilation: (usize, usize),
    pub(super) kernel: (usize, usize),
    pub(super) stride: (usize, usize),
    pub(super) output: (usize, usize),
}

impl Geometry {
    /// From x to y.
    pub(super) fn forward(shape: &DepthwiseShape) -> Self {
        let padding = shape.padding();
        Self {
            source: shape.input(),
            origin: (padding.0 as isize, padding.1 as isize),
            dilation: (1, 1),
            kernel: shape.kernel(),
            stride: shape.stride(),
            output: shape.output(),
        }
    }

    /// From the gradient of y to that of x, with the kernel turned by 180°.
    ///
    /// `gx[iy] = Σ gy[(iy + p − ky) / s] · w[ky]` over the ky that s divides. With the turned index
    /// k' = k − 1 − ky, the product stands at iy + k' − (k − 1 − p) of gy spread out by s.
    pub(super) fn grad_input(shape: &DepthwiseShape) -> Self {
        let (kernel, padding) = (shape.kernel(), shape.padding());
        let origin = |kernel: usize, padding: usize| kernel as isize - 1 - padding as isize;
        Self {
            source: shape.output(),
            origin: (origin(kernel.0, padding.0), origin(kernel.1, padding.1)),
            dilation: shape.stride(),
            kernel,
            stride: (1, 1),
            output: shape.input(),
        }
    }

    /// The rows of the source among `count` rows of the padded plane from `first` on.
    #[inline(always)]
    pub(super) fn source_rows(&self, first: usize, count: usize) -> Span {
        Span::new(self.source.0, self.origin.0 - first as isize, self.dilation.0, count)
    }

    /// What one plane costs, in multiply-adds of the inner loops that take as long.
    pub(super) fn work(&self) -> usize {
        let copy = self.source_len().saturating_mul(COPY_WORK);
        let multiply_adds = self.output_len().saturating_mul(self.kernel_len());
        multiply_adds.saturating_add(copy).saturating_add(PLANE_WORK)
    }

    /// Elements of one plane of the source.
    pub(super) fn source_len(&self) -> usize {
        self.source.0 * self.source.1
    }

    /// Elements of one plane of the output.
    pub(super) fn output_len(&self) -> usize {
        self.output.0 * self.output.1
    }

    /// Elements of one filter.
    pub(super) fn kernel_len(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }
}

/// The part of a sequence that lands in a window: `count` elements after the first `skip`, from
/// position `target` of the window on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) skip: usize,
    pub(super) target: usize,
    pub(super) count: usize,
}

impl Span {
    /// The part of `len` elements, of which number i belongs at `origin + i·step`, that lands in
    /// positions 0 to `window`.
    #[inline(always)]
    pub(super) fn new(len: usize, origin: isize, step: usize, window: usize) -> Self {
        let before = if origin < 0 { origin.unsigned_abs() } else { 0 };
        let skip = if step == 1 { before } else { before.div_ceil(step) };
        let target = (skip * step).wrapping_add_signed(origin);
        let room = window.saturating_sub(target);
        let room = if step == 1 { room } else { room.div_ceil(step) };
        let count = room.min(len.saturating_sub(skip));
        if count == 0 { Self::default() } else { Self { skip, target, count } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_what_lands_in_the_window() {
        for len in 0..6 {
            for origin in -7..7 {
                for step in 1..4 {
                    for window in 0..9 {
                        let position = |i: usize| origin + (i * step) as isize;
                        let inside = |i: &usize| (0..window as isize).contains(&position(*i));
                        let landing: Vec<usize> = (0..len).filter(inside).collect();
                        let span = Span::new(len, origin, step, window);
                        assert_eq!(span.count, landing.len());
                        if let Some(first) = landing.first() {
                            assert_eq!(span.skip, *first);
                            assert_eq!(span.target as isize, position(*first));
                        }
                    }
                }
            }
        }
    }
}
