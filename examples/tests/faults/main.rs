//! What can go wrong, done to the programs themselves: each fault ends with the right exit code and
//! a sentence that names the file, what is wrong and the way out; nothing panics, and nothing is
//! left half written. docs/reliability.md lists every fault with the name of its test.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../cli/program.rs"]
mod program;
#[path = "../../../ghostnetv2/tests/hub/server.rs"]
#[allow(dead_code)] // the library's own tests use the rest
mod server;
#[path = "../cli/training.rs"]
#[allow(dead_code)] // as above
mod training;

mod annotations;
mod hub;
mod pictures;
mod results;
mod runs;
mod shop;
mod table;
mod usage;
mod weights;
