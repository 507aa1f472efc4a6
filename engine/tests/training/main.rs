//! Networks in training: gradients against finite differences, threads, ranks, errors.

#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod differences;
mod errors;
mod meeting;
mod ranks;
mod threads;
