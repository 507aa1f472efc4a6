//! Checkpoints: everything that is right with them loads, everything that is wrong is said.

#[path = "../model/formula.rs"]
#[allow(dead_code)] // the model tests use the rest
mod formula;

mod damaged;
mod files;
mod mismatched;
mod sources;
