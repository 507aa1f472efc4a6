//! Training data for detectors and segmentation networks: checked once, decoded in parallel, and
//! kept in memory where there is room.

mod detection;
mod kept;
mod pictures;
mod segmentation;

pub use detection::DetectionSet;
pub use kept::Room;
pub use pictures::Pictures;
pub use segmentation::{Meaning, SegmentationSet};

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
