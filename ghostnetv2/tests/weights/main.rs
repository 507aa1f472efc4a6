//! Checkpoints: everything that is right with them loads, everything that is wrong is said.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../model/formula.rs"]
#[allow(dead_code)] // the model tests use the rest
mod formula;

mod damaged;
mod files;
mod mismatched;
mod sources;
