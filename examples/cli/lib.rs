//! What the command-line programs share: arguments, models, pictures, output, exit codes.
//!
//! Results go to stdout, everything else to stderr.
#![forbid(unsafe_code)]

pub mod backend;
pub mod calibrate;
pub mod coco_results;
pub mod compute;
pub mod detectors;
pub mod device;
pub mod draw;
pub mod exit;
pub mod files;
pub mod fingerprint;
pub mod fitted;
pub mod headed;
pub mod inputs;
pub mod labels;
pub mod launches;
pub mod masks;
pub mod model;
pub mod networks;
pub mod objects;
pub mod output;
pub mod part;
pub mod pictures;
pub mod prediction;
pub mod progress;
pub mod records;
pub mod scenes;
pub mod segmenters;
pub mod shard;
pub mod shards;
pub mod spent;
pub mod tensors;
pub mod threads;
pub mod timing;
