//! Training as PyTorch does it: gradients of whole networks, and the losses of the first 50 steps.
//!
//! What a network is compared with does not know how it computes its gradients: the helpers take
//! any [`train::Network`].
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod batches;
mod classifier;
mod detector;
mod fixture;
#[path = "../../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code)] // of its parts, this needs fewer than its own crate
mod formula;
mod segmenter;
mod weights;
