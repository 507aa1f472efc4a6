//! A plan and candle say the same, through the programs themselves.

use crate::formula::{Formula, plain};
use crate::program::{Ended, classify, run, sample};
use candle::Result;
use ghostnetv2::{Config, GhostNet};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;

fn lines(run: &Ended) -> Vec<Value> {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Probabilities of all classes, by index, for each line.
fn probabilities(run: &Ended) -> Vec<Vec<f64>> {
    let probabilities = |line: Value| {
        let mut all: Vec<_> = line["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| (p["index"].as_u64().unwrap(), p["probability"].as_f64().unwrap()))
            .collect();
        all.sort_by_key(|&(index, _)| index);
        all.into_iter().map(|(_, probability)| probability).collect()
    };
    lines(run).into_iter().map(probabilities).collect()
}

fn differ_by_at_most(bound: f64, expected: &[Vec<f64>], found: &[Vec<f64>]) {
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(found) {
        assert_eq!(expected.len(), found.len());
        for (class, (e, f)) in expected.iter().zip(found).enumerate() {
            assert!((e - f).abs() <= bound, "class {class}: {f} for {e}");
        }
    }
}

#[test]
fn pictures_get_the_same_classes() {
    let folder = sample("").display().to_string();
    let all = |arguments: &[&str]| {
        let common = ["--format", "jsonl", "--top-k", "200", &folder];
        probabilities(&classify(common.iter().chain(arguments)))
    };
    let expected = all(&["--backend", "candle"]);
    assert_eq!((expected.len(), expected[0].len()), (5, 200));
    // Five pictures in threes: the second batch is laid out anew.
    for arguments in [
        &["--backend", "plan"][..],
        &["--backend", "plan", "--batch", "3", "--threads", "2", "--timing"],
        &["--batch", "1", "--threads", "1", "--cpu", "--precision", "f32"],
    ] {
        differ_by_at_most(1e-5, &expected, &all(arguments));
    }
    differ_by_at_most(2e-2, &expected, &all(&["--precision", "bf16"]));
}

#[test]
fn a_plan_does_not_start_the_program_again() {
    // Where candle computes, it takes its threads from these.
    let cache = tempfile::tempdir().unwrap();
    let mut command = crate::program::command("classify", cache.path());
    command.env("CANDLE_NUM_THREADS", "nonsense").env("RAYON_NUM_THREADS", "1");
    command.args(["--threads", "2"]).arg(sample("coffee.jpg"));
    let run = crate::program::ended(command.output().unwrap());
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn branches_of_v3_sum_to_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let formula = Formula::default();
    GhostNet::new(&Config::v3(0.5), 10, formula.var_builder())?;
    let weights: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    candle::safetensors::save(&weights, at("w.safetensors"))?;
    let input = HashMap::from([("input", plain("input", (2, 3, 47, 70))?)]);
    candle::safetensors::save(&input, at("x.safetensors"))?;
    let all = |arguments: &[&str]| {
        let (weights, input) = (at("w.safetensors"), at("x.safetensors"));
        let common = ["--weights", &weights, "--tensor", &input, "--format", "jsonl"];
        probabilities(&classify(common.iter().chain(&["--top-k", "10"]).chain(arguments)))
    };
    let expected = all(&["--unfused"]);
    assert_eq!((expected.len(), expected[0].len()), (2, 10));
    for arguments in [&["--backend", "candle"][..], &["--backend", "plan"]] {
        differ_by_at_most(1e-4, &expected, &all(arguments));
    }
    Ok(())
}

#[test]
fn evaluation_counts_the_same() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("list.txt");
    let names = ["coffee.jpg", "chelsea.png", "rocket.jpg", "camera.png", "astronaut.jpg"];
    let list: String = names.map(|name| format!("{name}, n07920052\n")).concat();
    fs::write(&file, list).unwrap();
    let score = |backend: &str| {
        let table = root.path().join(format!("{backend}.csv"));
        let (list, images) = (file.display().to_string(), sample("").display().to_string());
        let mut arguments = vec!["imagenet", "--list", &list, "--images", &images];
        let path = table.display().to_string();
        arguments.extend(["--csv", &path, "--backend", backend, "--batch", "2", "--timing"]);
        let ended = run("evaluate", arguments);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stderr.contains("GFLOP/s"), backend == "plan", "{}", ended.stderr);
        (ended.stdout.lines().next().unwrap().to_owned(), fs::read_to_string(table).unwrap())
    };
    let plan = score("plan");
    assert!(plan.0.starts_with("top-1 20.00 %"), "{}", plan.0);
    assert_eq!(plan, score("candle"));
}

#[test]
fn timing_tells_the_kinds_of_operation_after_the_results() {
    let coffee = sample("coffee.jpg").display().to_string();
    let run = classify(["--timing", &coffee]);
    let table = run.stderr.split_once("computing").unwrap().1;
    let rows: Vec<Vec<&str>> =
        table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["kind", "ms", "share", "calls", "GFLOP/s"]);
    let last = rows.last().unwrap();
    assert_eq!((last[0], last[2]), ("all", "100.0%"));
    let number = |text: &str| text.trim_end_matches('%').parse::<f64>().unwrap();
    let shares: f64 = rows[1..rows.len() - 1].iter().map(|row| number(row[row.len() - 3])).sum();
    assert!((shares - 100.0).abs() < 0.1 * rows.len() as f64, "{table}");
    assert!(table.contains("ghost") && table.contains("dfc"), "{table}");

    let candle = classify(["--timing", "--backend", "candle", &coffee]);
    assert!(candle.stderr.contains("computing") && !candle.stderr.contains("GFLOP/s"));
}

#[test]
fn what_a_plan_or_candle_can_not_do_is_2_with_a_way_out() {
    let coffee = sample("coffee.jpg").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("y.safetensors").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["--backend", "plan", "--device", "cuda"], "leave out --device"),
        (&["--backend", "plan", "--device", "metal"], "--backend candle"),
        (&["--backend", "plan", "--unfused"], "--backend candle"),
        (&["--backend", "plan", "--dump", &dump], "--backend candle"),
        (&["--backend", "candle", "--precision", "bf16"], "leave it out"),
        (&["--dump", &dump, "--precision", "bf16"], "let a plan compute"),
        (&["--backend", "onnx"], "possible values: plan, candle"),
        (&["--cpu", "--precision", "f16"], "for GPUs"),
        (&["--precision", "f64"], "possible values: f32"),
    ];
    for (arguments, expected) in cases {
        let run = classify(arguments.iter().copied().chain([coffee.as_str()]));
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
    }
}
