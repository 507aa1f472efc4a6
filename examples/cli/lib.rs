//! What the command-line programs share: arguments, models, pictures, output, exit codes.
//!
//! Results go to stdout, everything else to stderr.
#![forbid(unsafe_code)]

pub mod backend;
pub mod calibrate;
pub mod device;
pub mod exit;
pub mod inputs;
pub mod labels;
pub mod model;
pub mod output;
pub mod pictures;
pub mod progress;
pub mod tensors;
pub mod threads;
pub mod timing;
