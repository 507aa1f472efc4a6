//! The metrics that publications use.

pub mod coco;
pub mod segmentation;
pub mod top_k;
