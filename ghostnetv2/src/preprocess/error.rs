//! What can be wrong with a preprocessing configuration.

/// Why a configuration, or a size, was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A picture of this size cannot be made.
    #[error(
        "cannot make a picture of {width}x{height} pixels; ask for sides from 1 to {}",
        super::MAX_SIDE
    )]
    Size {
        /// Width asked for.
        width: u64,
        /// Height asked for.
        height: u64,
    },
    /// The configuration is not a JSON object.
    #[error("the preprocessing configuration must be a JSON object, found {found}")]
    NotAnObject {
        /// What stands there, as JSON.
        found: String,
    },
    /// A value is of the wrong kind or out of range.
    #[error("`{key}` must be {expected}, found {found}; correct it in the model's config.json")]
    Value {
        /// The key in the configuration.
        key: &'static str,
        /// What it may be.
        expected: String,
        /// What stands there, as JSON.
        found: String,
    },
}
