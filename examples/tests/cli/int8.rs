//! Int8 through the programs: ranges that ship, that are made, that are kept.

use crate::program::{classify, run, sample};
use serde_json::Value;
use std::fs;

fn samples() -> String {
    sample("").display().to_string()
}

#[test]
fn ranges_are_built_in_made_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("ranges.json").display().to_string();
    let classes = |arguments: &[&str]| {
        let folder = samples();
        let common = ["--top-k", "1", "--format", "csv", folder.as_str(), "--quiet"];
        let ended = classify(common.iter().chain(arguments));
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout
    };
    let built_in = classes(&["--precision", "int8"]);
    assert!(built_in.contains("espresso"), "{built_in}");
    let int8 = ["--precision", "int8", "--calibrate"];
    let made = classes(&[&int8[..], &[&samples(), "--save-calibration", &file]].concat());
    assert_ne!(made, built_in, "other pictures, other ranges");
    assert_eq!(made, classes(&[&int8[..], &[&file]].concat()), "the file has all of it");
    assert_eq!(made, classes(&[&int8[..], &[&file, "--threads", "1", "--batch", "1"]].concat()));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name).display().to_string();
    fs::write(at("none.json"), "{}").unwrap();
    let text = fs::read_to_string(sample("../ghostnetv2_100-tiny-imagenet/calibration.json"));
    let fewer = text.unwrap().replacen("\"operations\": ", "\"operations\": 1", 1);
    fs::write(at("other.json"), fewer).unwrap();
    fs::create_dir(at("bad")).unwrap();
    fs::write(at("bad/picture.png"), "no picture").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let weights = sample("../ghostnetv2_100-tiny-imagenet").display().to_string();
    for (code, arguments, expected) in [
        (2, vec!["--calibrate", &samples()], "only --precision int8 needs it"),
        (2, vec!["--backend", "candle", "--calibrate", &samples()], "only --precision int8"),
        (2, vec!["--precision", "int8", "--model", &weights], "add --calibrate DIR"),
        (2, vec!["--precision", "int8", "--save-calibration", "x"], "--calibrate <DIR>"),
        (3, vec!["--precision", "int8", "--calibrate", &at("none.json")], "calibrate again"),
        (3, vec!["--precision", "int8", "--calibrate", &at("missing")], "can't read"),
        (1, vec!["--precision", "int8", "--calibrate", &at("other.json")], "the network has"),
        (2, vec!["--precision", "int8", "--calibrate", &at("empty")], "no pictures"),
        (2, vec!["--precision", "int8", "--calibrate", &at("bad")], "leave that picture out"),
        (
            5,
            vec![
                "--precision",
                "int8",
                "--calibrate",
                &samples(),
                "--save-calibration",
                &at("no/folder"),
            ],
            "can't write",
        ),
    ] {
        let ended = classify(&arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn bench_says_what_a_precision_costs() {
    let root = tempfile::tempdir().unwrap();
    for (name, wnid) in [("coffee.jpg", "n07920052"), ("rocket.jpg", "n02123045")] {
        let folder = root.path().join(wnid);
        fs::create_dir(&folder).unwrap();
        fs::copy(sample(name), folder.join(name)).unwrap();
    }
    let (pictures, folder) = (root.path().display().to_string(), samples());
    let weights = sample("../ghostnetv2_100-tiny-imagenet").display().to_string();
    let model = ["--weights", &weights, "--size", "64", "--seconds", "0.01"];
    let top1 = ["--precision", "f32,bf16,int8", "--top1", &pictures];
    let bench = |arguments: &[&str]| run("bench", model.iter().chain(arguments));
    let ended = bench(&[&top1[..], &["--calibrate", &folder]].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let rows: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let precisions: Vec<_> = rows.iter().map(|row| row["precision"].as_str().unwrap()).collect();
    assert_eq!(precisions, ["f32", "bf16", "int8"]);
    for row in rows {
        // The espresso is right; the rocket is no cat.
        assert_eq!((&row["top1"], &row["top1_f32"]), (&50.0.into(), &50.0.into()), "{row}");
        assert_eq!(row["top5"], 50.0, "{row}");
    }
    let ended = bench(&top1);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("int8 needs ranges of real pictures"), "{}", ended.stderr);
    assert_eq!(run("bench", ["--top1", &pictures]).code, 2, "without weights");
    // Random weights and ranges of random input, for the time alone.
    let ended = run("bench", ["--size", "64", "--seconds", "0.01", "--precision", "int8"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stdout.contains("top1"), "{}", ended.stdout);
}
