//! Networks in training: gradients against finite differences, threads, errors.

#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod differences;
mod errors;
mod threads;
