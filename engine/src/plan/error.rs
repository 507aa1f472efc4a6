//! What can go wrong before a plan runs.

use std::fmt;

use crate::ShapeError;

/// A network or a plan that can't be built, or a call that does not fit the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A slice has another length than the shape asks for.
    Length {
        /// Which slice.
        what: &'static str,
        /// The length that the shape asks for.
        expected: usize,
        /// The slice's length.
        found: usize,
    },
    /// Operands of an operation do not fit together.
    Operands {
        /// Which operation.
        operation: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// An input shape that the network can't take.
    Input {
        /// Batch, channels, height and width.
        shape: [usize; 4],
        /// What was expected.
        reason: String,
    },
    /// Ranges for int8 that are missing or of another network.
    Calibration {
        /// What is wrong, what was expected.
        reason: String,
    },
    /// There is no memory.
    Memory {
        /// How many elements were asked for.
        elements: usize,
    },
}

impl PlanError {
    pub(crate) fn calibration(reason: impl Into<String>) -> Self {
        Self::Calibration { reason: reason.into() }
    }

    /// What an operation expects of its operands.
    pub(crate) fn expect(operation: &'static str, holds: bool, expected: &str) -> Result<(), Self> {
        let reason = || format!("expected {expected}");
        holds.then_some(()).ok_or_else(|| Self::Operands { operation, reason: reason() })
    }

    pub(crate) fn expect_len(
        what: &'static str,
        expected: usize,
        found: usize,
    ) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self::Length { what, expected, found }) }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, found } => {
                write!(f, "{what}: found {found} elements, expected {expected}")
            }
            Self::Operands { operation, reason } => write!(f, "{operation}: {reason}"),
            Self::Input { shape, reason } => write!(f, "input {shape:?}: {reason}"),
            Self::Calibration { reason } => write!(
                f,
                "int8: {reason}; run Plan::calibrate of an f32 plan of this network on some \
                 pictures, and give what it makes to PlanOptions::with_calibration"
            ),
            Self::Memory { elements } => write!(
                f,
                "no memory for {elements} elements; use a smaller picture, or fewer threads"
            ),
        }
    }
}

impl std::error::Error for PlanError {}

impl From<ShapeError> for PlanError {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::Scratch { elements } => Self::Memory { elements },
            other => Self::Operands { operation: "buffer", reason: other.to_string() },
        }
    }
}
