//! The windows of convolutions and poolings.

use std::fmt;

use super::PlanError;

/// The longest side and stride, also of a dilated kernel: sizes do not overflow for larger ones.
const FARTHEST: usize = 1 << 16;

/// Kernel, stride, zero padding and dilation of a convolution: height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: (usize, usize),
    /// Step in both directions.
    pub stride: usize,
    /// Zeros on each side, fewer than the kernel reaches over.
    pub padding: (usize, usize),
    /// Distance of the kernel's taps in both directions.
    pub dilation: usize,
}

impl Window {
    /// A kernel of odd sides with the padding that keeps the size at stride 1.
    pub fn same(kernel: (usize, usize), stride: usize) -> Self {
        Self { kernel, stride, padding: (kernel.0 / 2, kernel.1 / 2), dilation: 1 }
    }

    /// A kernel of odd sides whose taps are `dilation` pixels apart, with stride 1 and the padding
    /// that keeps the size.
    pub fn dilated(kernel: (usize, usize), dilation: usize) -> Self {
        let side = |kernel: usize| (kernel / 2).saturating_mul(dilation);
        Self { kernel, stride: 1, padding: (side(kernel.0), side(kernel.1)), dilation }
    }

    /// Rows and columns from the first tap to the last, of a window that was checked.
    pub(crate) fn reach(&self) -> (usize, usize) {
        let side = |kernel: usize| (kernel - 1) * self.dilation + 1;
        (side(self.kernel.0), side(self.kernel.1))
    }

    /// The output's height and width, if there is one.
    pub(crate) fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let side = |size: usize, padding: usize, kernel: usize| {
            Some((size + 2 * padding).checked_sub(kernel)? / self.stride + 1)
        };
        Some((
            side(height, self.padding.0, self.reach().0)?,
            side(width, self.padding.1, self.reach().1)?,
        ))
    }

    /// Elements from the first tap to the last on a map of this width, with its padding, if they can
    /// be counted.
    pub(crate) fn span(&self, width: usize, channels: usize) -> Option<usize> {
        let width = width.checked_add(self.padding.1.checked_mul(2)?)?;
        self.reach().0.checked_mul(width)?.checked_mul(channels)
    }

    pub(crate) fn check(&self, operation: &'static str) -> Result<(), PlanError> {
        let side = |kernel: usize, padding: usize| padding < kernel && kernel <= FARTHEST;
        let plain = (1..=FARTHEST).contains(&self.stride)
            && side(self.kernel.0, self.padding.0)
            && side(self.kernel.1, self.padding.1);
        if self.dilation == 1 && plain || self.is_dilated() {
            return Ok(());
        }
        let reason = format!(
            "{self:?}: expected a stride, and less padding than kernel, at most {FARTHEST}; or, \
             dilated, an odd kernel, stride 1 and the padding that keeps the size"
        );
        Err(PlanError::Operands { operation, reason })
    }

    /// Whether it is a window of [`Window::dilated`]: every output has the middle tap on the map
    /// then.
    fn is_dilated(&self) -> bool {
        let (kh, kw) = self.kernel;
        let fits = |kernel: usize| {
            kernel % 2 == 1 && kernel.checked_mul(self.dilation).is_some_and(|n| n <= FARTHEST)
        };
        self.dilation > 1 && fits(kh) && fits(kw) && *self == Self::dilated((kh, kw), self.dilation)
    }
}

impl fmt::Display for Window {
    /// `3x3/2` with its stride, `3x3*2` with its dilation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel: (kh, kw), stride, dilation, .. } = self;
        match dilation {
            1 => write!(f, "{kh}x{kw}/{stride}"),
            _ => write!(f, "{kh}x{kw}*{dilation}"),
        }
    }
}
