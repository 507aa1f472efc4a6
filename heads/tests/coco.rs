//! COCO's metrics against pycocotools: a fixture by `scripts/make_coco_fixture.py`.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use heads::data::coco::Coco;
use heads::data::coco_results::{self, CocoResult};
use heads::eval::coco::Evaluation;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coco").join(name)
}

fn truth() -> Coco {
    Coco::read(&file("truth.json")).unwrap()
}

fn results(truth: &Coco) -> Vec<CocoResult> {
    coco_results::read(&file("results.json"), truth).unwrap()
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(file("expected.json")).unwrap()).unwrap()
}

fn check(key: &str, evaluation: &Evaluation) {
    let expected: [f64; 12] = serde_json::from_value(expected()[key].clone()).unwrap();
    for (i, (found, expected)) in evaluation.summary().values().iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-12, "{key}, number {i}: {found}, not {expected}");
    }
}

#[test]
fn the_twelve_numbers() {
    let truth = truth();
    let results = results(&truth);
    check("stats", &Evaluation::new(&truth, &results, true));
    check("without_categories", &Evaluation::new(&truth, &results, false));
    let equal: Vec<_> = results.iter().map(|r| CocoResult { score: 0.5, ..*r }).collect();
    check("equal_scores", &Evaluation::new(&truth, &equal, true));
}

#[test]
fn each_category() {
    let truth = truth();
    let evaluation = Evaluation::new(&truth, &results(&truth), true);
    let expected = &expected()["by_category"];
    assert_eq!(evaluation.by_category().len(), 7);
    for (category, found) in evaluation.by_category() {
        let expected = expected[&category.to_string()].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-12, "{category}: {found}, not {expected}");
    }
}

#[test]
fn nothing_found_and_nothing_to_find() {
    let truth = truth();
    let summary = Evaluation::new(&truth, &[], true).summary();
    assert_eq!(summary.values(), [0.0; 12]);
    let nothing = Coco { annotations: Vec::new(), ..truth.clone() };
    let summary = Evaluation::new(&nothing, &results(&truth), true).summary();
    assert_eq!(summary.values(), [-1.0; 12]);
}

#[test]
fn the_table_is_pycocotools() {
    let truth = truth();
    let text = Evaluation::new(&truth, &[], true).summary().to_string();
    let lines: Vec<_> = text.lines().collect();
    let first = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.000";
    let seventh = " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.000";
    assert_eq!((lines.len(), lines[0], lines[6]), (12, first, seventh));
}
