//! Whole networks against timm: fixtures by `scripts/make_model_fixtures.py` and
//! `scripts/make_gradient_fixture.py`, weights by formula.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod fixture;
mod formula;
#[cfg(feature = "cuda")]
mod gpu;
mod gradients;
mod keys;
mod odd_sizes;
mod output_stride;
mod parity;
mod plan;
mod training;
