//! The programs as people run them: real processes in temporary folders, without a network.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../../../ghostnetv2/tests/model/fixture.rs"]
#[allow(dead_code)] // the crate's own tests use the rest
mod fixture;
#[path = "../../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code)]
mod formula;

mod backends;
mod backends_places;
mod bench;
mod classify;
mod detect;
mod detect_yolov3;
mod evaluate;
mod evaluate_places;
mod int8;
mod parity;
mod program;
mod segment;
mod segment_deeplabv3;
mod shards;
mod shards_evaluate;
mod train_classes;
mod train_places;
mod training;
