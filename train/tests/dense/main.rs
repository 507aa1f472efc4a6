//! Augmentation: what was marked on a picture stays on it.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod boxes;
mod labels;

use train::{Random, Seed};

fn random(seed: u64) -> Random {
    Seed(seed).stream("test", 0, 0)
}
