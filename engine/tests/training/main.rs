//! Networks in training: gradients against finite differences, threads, errors.

mod differences;
mod errors;
mod threads;
