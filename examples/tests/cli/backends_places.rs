//! `detect` and `segment` say the same by a plan and by candle.

use crate::formula::plain;
use crate::program::{Ended, run, sample};
use candle::{Device, Result, Tensor};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn says(run: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    }
}

/// What a program dumps of one input.
fn dump(program: &str, folder: &Path, arguments: &[&str]) -> HashMap<String, Tensor> {
    let (x, y) = (text(folder.join("x.safetensors")), text(folder.join("y.safetensors")));
    let given = ["--tensor", &x, "--dump", &y];
    says(&run(program, given.iter().chain(arguments)), 0, &[]);
    let dump = candle::safetensors::load(&y, &Device::Cpu).unwrap();
    fs::remove_file(y).unwrap();
    dump
}

/// The largest difference of any output, by the largest value of that output.
fn difference(a: &HashMap<String, Tensor>, b: &HashMap<String, Tensor>) -> Result<f32> {
    assert_eq!(a.len(), b.len());
    let largest = |t: &Tensor| t.abs()?.max_all()?.to_scalar::<f32>();
    let of = |(name, a): (&String, &Tensor)| Ok(largest(&(a - &b[name])?)? / largest(a)?);
    a.iter().map(of).try_fold(0f32, |most, one: Result<f32>| Ok(most.max(one?)))
}

#[test]
fn raw_outputs_are_equal() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let input = HashMap::from([("input", plain("input", (2, 3, 97, 65))?)]);
    candle::safetensors::save(&input, folder.path().join("x.safetensors"))?;
    for (program, outputs) in [("detect", 10), ("segment", 1)] {
        let dump = |arguments: &[&str]| dump(program, folder.path(), arguments);
        let expected = dump(&["--backend", "candle"]);
        assert_eq!(expected.len(), 1 + outputs);
        for arguments in [&[][..], &["--backend", "plan", "--threads", "2"], &["--timing"]] {
            let off = difference(&expected, &dump(arguments))?;
            assert!(off < 1e-4, "{program} {arguments:?}: {off}");
        }
        let off = difference(&expected, &dump(&["--precision", "bf16"]))?;
        assert!(off > 1e-6 && off < 0.1, "{program}: {off}");
    }
    Ok(())
}

#[test]
fn pictures_of_several_sizes_in_turn() {
    let pictures = ["coffee.jpg", "camera.png", "rocket.jpg"].map(|name| text(sample(name)));
    let found = |arguments: &[&str]| {
        let size = ["--size", "64", "--preset", "torchvision", "--conf", "0.0101", "--format"];
        let given = size.iter().chain(&["jsonl", "--max-det", "5"]).chain(arguments).copied();
        let run = run("detect", given.chain(pictures.iter().map(String::as_str)));
        says(&run, 0, &[]);
        let lines = run.stdout.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let found = line["detections"].as_array().unwrap().clone();
            found.iter().map(|found| found["score"].as_f64().unwrap()).collect::<Vec<_>>()
        });
        lines.collect::<Vec<_>>()
    };
    let (plan, candle) = (found(&[]), found(&["--backend", "candle"]));
    assert_eq!((plan.len(), plan[0].len()), (3, 5));
    for (plan, candle) in plan.iter().flatten().zip(candle.iter().flatten()) {
        assert!((plan - candle).abs() < 1e-5, "{plan} for {candle}");
    }
}

#[test]
fn timing_tells_the_kinds_of_operation() {
    let coffee = text(sample("coffee.jpg"));
    for (program, kinds) in [("detect", ["ghost", "resize"]), ("segment", ["ghost", "resize"])] {
        let given = ["--timing", "--size", "64", &coffee];
        says(&run(program, given), 0, &["computing", "GFLOP/s", kinds[0], kinds[1]]);
        let candle = run(program, given.iter().chain(&["--backend", "candle"]));
        assert!(candle.stderr.contains("computing") && !candle.stderr.contains("GFLOP/s"));
    }
}

#[test]
fn what_a_plan_or_candle_can_not_do_is_2_with_a_way_out() {
    let coffee = text(sample("coffee.jpg"));
    let cases: &[(&[&str], &str)] = &[
        (&["--backend", "plan", "--device", "cuda"], "leave out --device"),
        (&["--backend", "candle", "--precision", "bf16"], "leave it out"),
        (&["--precision", "int8"], "possible values: f32, bf16"),
    ];
    for program in ["detect", "segment"] {
        for (arguments, expected) in cases {
            says(&run(program, arguments.iter().chain(&[coffee.as_str()])), 2, &[expected]);
        }
    }
}
