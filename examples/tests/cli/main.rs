//! The programs as people run them: real processes in temporary folders, without a network.

mod classify;
mod evaluate;
mod faults;
mod parity;
mod program;
