//! RetinaNet against torchvision and mmdetection: fixtures by `scripts/make_detection_fixtures.py`,
//! weights by formula.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "../common/equal.rs"]
mod equal;
#[path = "../common/fixture.rs"]
mod fixture;
#[path = "../../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code, reason = "its own networks are others")]
mod formula;
mod hostile;
mod inputs;
mod names;
mod parts;
mod plan;
#[path = "../common/weights.rs"]
mod weights;
mod whole;
mod yolov3;
