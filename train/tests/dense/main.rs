//! Augmentation: what was marked on a picture stays on it.

mod boxes;
mod labels;
