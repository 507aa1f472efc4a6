//! The sizes of a depthwise convolution, checked once for all kernels.

use crate::ShapeError;

/// Sizes of a depthwise convolution. Pairs are (height, width).
///
/// # Example
/// ```
/// use engine::kernels::depthwise::DepthwiseShape;
///
/// let shape = DepthwiseShape::new(1, 48, (112, 112), (3, 3), (2, 2), (1, 1))?;
/// assert_eq!(shape.output(), (56, 56));
/// # Ok::<(), engine::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthwiseShape {
    batch: usize,
    channels: usize,
    input: (usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    output: (usize, usize),
}

impl DepthwiseShape {
    /// Checks the sizes and computes those of the output. `padding` is added on both sides.
    ///
    /// # Shapes
    /// x `[batch, channels, input]`, w `[channels, kernel]`, bias `[channels]`,
    /// y `[batch, channels, output]`, where output = (input + 2·padding − kernel) / stride + 1,
    /// rounded down. The batch may be empty.
    ///
    /// # Errors
    /// [`ShapeError::Zero`] for a size of zero, [`ShapeError::KernelTooLarge`] for a kernel that is
    /// larger than the padded picture, [`ShapeError::TooLarge`] where a tensor could not be
    /// addressed.
    pub fn new(
        batch: usize,
        channels: usize,
        input: (usize, usize),
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Result<Self, ShapeError> {
        for (what, size) in [
            ("number of channels", channels),
            ("picture height", input.0),
            ("picture width", input.1),
            ("kernel height", kernel.0),
            ("kernel width", kernel.1),
            ("vertical stride", stride.0),
            ("horizontal stride", stride.1),
        ] {
            if size == 0 {
                return Err(ShapeError::Zero { what });
            }
        }
        let padded = (padded(input.0, padding.0)?, padded(input.1, padding.1)?);
        if kernel.0 > padded.0 || kernel.1 > padded.1 {
            return Err(ShapeError::KernelTooLarge { kernel, input, padding });
        }
        let output = ((padded.0 - kernel.0) / stride.0 + 1, (padded.1 - kernel.1) / stride.1 + 1);
        check_elements("x", &[batch, channels, input.0, input.1])?;
        check_elements("w", &[channels, kernel.0, kernel.1])?;
        check_elements("y", &[batch, channels, output.0, output.1])?;
        Ok(Self { batch, channels, input, kernel, stride, padding, output })
    }

    /// Number of pictures.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height and width of x.
    pub fn input(&self) -> (usize, usize) {
        self.input
    }

    /// Height and width of the filters.
    pub fn kernel(&self) -> (usize, usize) {
        self.kernel
    }

    /// Vertical and horizontal stride.
    pub fn stride(&self) -> (usize, usize) {
        self.stride
    }

    /// Rows above and below, columns left and right.
    pub fn padding(&self) -> (usize, usize) {
        self.padding
    }

    /// Height and width of y.
    pub fn output(&self) -> (usize, usize) {
        self.output
    }

    /// Number of planes: batch · channels.
    pub fn planes(&self) -> usize {
        self.batch * self.channels
    }

    /// Number of elements of x.
    pub fn input_len(&self) -> usize {
        self.planes() * self.input.0 * self.input.1
    }

    /// Number of elements of w.
    pub fn weight_len(&self) -> usize {
        self.channels * self.kernel.0 * self.kernel.1
    }

    /// Number of elements of y.
    pub fn output_len(&self) -> usize {
        self.planes() * self.output.0 * self.output.1
    }

    pub(super) fn check_x(&self, what: &'static str, len: usize) -> Result<(), ShapeError> {
        check_len(what, self.input_len(), len)
    }

    pub(super) fn check_w(&self, what: &'static str, len: usize) -> Result<(), ShapeError> {
        check_len(what, self.weight_len(), len)
    }

    pub(super) fn check_y(&self, what: &'static str, len: usize) -> Result<(), ShapeError> {
        check_len(what, self.output_len(), len)
    }

    pub(super) fn check_bias(&self, len: usize) -> Result<(), ShapeError> {
        check_len("bias", self.channels, len)
    }
}

fn padded(size: usize, padding: usize) -> Result<usize, ShapeError> {
    padding
        .checked_mul(2)
        .and_then(|both| both.checked_add(size))
        .filter(|padded| isize::try_from(*padded).is_ok())
        .ok_or(ShapeError::TooLarge { what: "the padded picture" })
}

/// Refuses a tensor of `f32` that no allocation could hold, counting an empty batch as one picture
/// so that products of the other sizes cannot overflow either.
fn check_elements(what: &'static str, sizes: &[usize]) -> Result<(), ShapeError> {
    sizes
        .iter()
        .try_fold(size_of::<f32>(), |bytes, size| bytes.checked_mul((*size).max(1)))
        .filter(|bytes| isize::try_from(*bytes).is_ok())
        .map(|_| ())
        .ok_or(ShapeError::TooLarge { what })
}

fn check_len(what: &'static str, expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found { Ok(()) } else { Err(ShapeError::Length { what, expected, found }) }
}
