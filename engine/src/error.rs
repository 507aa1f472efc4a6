//! What can be wrong with the arguments of a kernel.

use std::fmt;

/// Arguments that do not fit together; every kernel checks before it starts to write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeError {
    /// A size that must be at least one is zero.
    Zero {
        /// Which size.
        what: &'static str,
    },
    /// The kernel is larger than the padded picture, so there is no output.
    KernelTooLarge {
        /// Height and width of the kernel.
        kernel: (usize, usize),
        /// Height and width of the picture.
        input: (usize, usize),
        /// Rows and columns of padding on each side.
        padding: (usize, usize),
    },
    /// A tensor of this shape could not be addressed.
    TooLarge {
        /// Which tensor.
        what: &'static str,
    },
    /// A slice has another length than the shape asks for.
    Length {
        /// Which slice.
        what: &'static str,
        /// The length that the shape asks for.
        expected: usize,
        /// The slice's length.
        found: usize,
    },
    /// There is no memory for the padded copy of a few rows that a kernel works on.
    Scratch {
        /// How many elements were asked for.
        elements: usize,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { what } => write!(f, "{what} is zero, expected at least 1"),
            Self::KernelTooLarge { kernel, input, padding } => write!(
                f,
                "a {}x{} kernel does not fit into a {}x{} picture with padding {}x{}; use a \
                 larger picture, more padding or a smaller kernel",
                kernel.0, kernel.1, input.0, input.1, padding.0, padding.1
            ),
            Self::TooLarge { what } => {
                write!(f, "{what} has more elements than can be addressed; split the batch")
            }
            Self::Length { what, expected, found } => {
                write!(f, "{what} has {found} elements, expected {expected} for this shape")
            }
            Self::Scratch { elements } => write!(
                f,
                "no memory for {elements} elements of scratch; use less padding or a smaller kernel"
            ),
        }
    }
}

impl std::error::Error for ShapeError {}
