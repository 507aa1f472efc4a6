//! Metrics.

pub mod top_k;
