//! Semantic FPN and DeepLabV3 against mmsegmentation and segmentation_models_pytorch: fixtures by
//! `scripts/make_segmentation_fixtures.py`, weights by formula.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod deeplabv3;
#[path = "../common/equal.rs"]
mod equal;
#[path = "../common/fixture.rs"]
#[allow(dead_code, reason = "detection uses more of it")]
mod fixture;
#[path = "../../../ghostnetv2/tests/model/formula.rs"]
#[allow(dead_code, reason = "its own networks are others")]
mod formula;
mod hostile;
mod losses;
mod names;
mod plan;
#[path = "../common/weights.rs"]
mod weights;
mod whole;
