//! `bench`: the rows it prints, not what they say of speed.

use crate::program::{Ended, run, sample};
use candle::{DType, Device, Tensor};
use serde_json::{Value, json};

/// Arguments for something small and short.
const SMALL: [&str; 6] = ["--which", "ghostnetv2_025", "--size", "33x47", "--seconds", "0"];

fn bench(arguments: &[&str]) -> Ended {
    run("bench", SMALL.iter().chain(arguments))
}

fn rows(run: &Ended) -> Vec<Value> {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_row_for_each_combination_with_all_fields() {
    let lists = ["--backend", "plan,candle", "--batch", "1,2", "--threads", "1,2"];
    let rows = rows(&bench(&lists));
    let settings: Vec<_> =
        rows.iter().map(|r| json!([r["threads"], r["batch"], r["backend"]])).collect();
    let mut expected = Vec::new();
    for threads in [1, 2] {
        for batch in [1, 2] {
            expected.extend(["plan", "candle"].map(|backend| json!([threads, batch, backend])));
        }
    }
    assert_eq!(settings, expected);
    for row in &rows {
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} of {row}"));
        assert_eq!((&row["model"], &row["precision"]), (&json!("ghostnetv2_025"), &json!("f32")));
        assert_eq!(row["size"], json!([33, 47]));
        assert!(row["isa"].is_string() && row["runs"].as_u64() >= Some(3), "{row}");
        assert!(0.0 < number("min_ms") && number("min_ms") <= number("median_ms"), "{row}");
        let images = 1000.0 * number("batch") / number("median_ms");
        assert!((number("images_per_s") / images - 1.0).abs() < 0.1, "{row}");
        assert!(number("first_result_ms") > 0.0, "{row}");
        if cfg!(target_os = "linux") {
            assert!(number("peak_rss_mb") > 1.0, "{row}");
        }
        assert_eq!(row.as_object().unwrap().len(), 13, "{row}");
    }
}

#[test]
fn backends_and_precisions_combine_where_they_can() {
    let run = bench(&["--backend", "plan,candle-ops,stock", "--precision", "f32,bf16"]);
    let rows = rows(&run);
    let settings: Vec<_> = rows
        .iter()
        .map(|row| [&row["backend"], &row["precision"]].map(|value| value.as_str().unwrap()))
        .collect();
    let expected = [["plan", "f32"], ["plan", "bf16"], ["candle-ops", "f32"], ["stock", "f32"]];
    assert_eq!(settings, expected);
    assert!(rows[0]["isa"].is_string() && rows[2]["isa"].is_null() && rows[3]["isa"].is_null());
}

#[test]
fn steps_and_their_times_go_to_stderr() {
    let run = bench(&["--timing", "--show-plan"]);
    assert_eq!(rows(&run).len(), 1);
    for part in ["plan for [1, 3, 33, 47]", "MMAC", "GFLOP/s", "ghost"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(bench(&[]).stderr.is_empty());
}

#[test]
fn networks_with_heads_raw_and_whole() {
    for which in ["retinanet-lite", "semantic-fpn-lite"] {
        for more in [&[][..], &["--postprocess"], &["--backend", "candle", "--postprocess"]] {
            let small = ["--which", which, "--size", "64", "--seconds", "0"];
            let rows = rows(&run("bench", small.iter().chain(more)));
            assert_eq!((rows.len(), &rows[0]["model"]), (1, &json!(which)));
        }
    }
}

#[test]
fn what_a_network_does_not_know_is_refused() {
    let refused = [
        (&["--which", "retinanet-yolo"][..], "expected torchvision"),
        (&["--which", "retinanet-lite", "--precision", "int8"], "bf16"),
        (&["--which", "retinanet-lite", "--backend", "stock"], "plan and candle"),
        (&["--which", "ghostnetv2_100", "--postprocess"], "has no head"),
    ];
    for (arguments, why) in refused {
        let run = run("bench", arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_plan_of_the_1x_network_takes_less_than_60_mb() {
    let shipped = sample("../ghostnetv2_100-tiny-imagenet").display().to_string();
    for arguments in [&[][..], &["--weights", &shipped]] {
        let run = run("bench", ["--seconds", "0"].iter().chain(arguments));
        let peak = rows(&run)[0]["peak_rss_mb"].as_f64().unwrap();
        assert!(peak < 60.0, "{arguments:?}: {peak} MB");
    }
}

#[test]
fn weights_of_a_file_or_a_folder() {
    let folder = sample("../ghostnetv2_100-tiny-imagenet");
    let weights = folder.join("model.safetensors").display().to_string();
    for weights in [&weights, &folder.display().to_string()] {
        let arguments = ["--size", "64", "--seconds", "0", "--weights", weights];
        assert_eq!(rows(&run("bench", arguments)).len(), 1);
    }
    let run = bench(&["--weights", &weights]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("those of ghostnetv2_100"), "{}", run.stderr);
    let run = bench(&["--weights", "no-such-file"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
}

#[test]
fn an_input_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.safetensors");
    let picture = Tensor::zeros((1, 3, 40, 48), DType::F32, &Device::Cpu).unwrap();
    candle::safetensors::save(&[("input", picture)].into(), &file).unwrap();
    let file = file.display().to_string();
    let small = ["--seconds", "0", "--tensor", &file, "--size"];
    assert_eq!(rows(&run("bench", small.iter().chain(&["40x48"]))).len(), 1);
    for (more, why) in [(&["40"][..], "[1, 3, 40, 40]"), (&["40x48", "--batch", "2"], "[2, 3, 40")]
    {
        let run = run("bench", small.iter().chain(more));
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{}", run.stderr);
        assert!(run.stderr.contains(why) && run.stderr.contains(&file), "{}", run.stderr);
    }
}

#[test]
fn wrong_usage_is_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["--which", "resnet50"], "ghostnetv2_100"),
        (&["--size", "32"], "at least 33"),
        (&["--batch", "0"], "--batch"),
        (&["--threads", "0"], "--threads"),
        (&["--threads", ""], "--threads"),
        (&["--seconds", "soon"], "a number of seconds"),
        (&["--seconds", "1e40"], "a number of seconds"),
        (&["--backend", "onnx"], "possible values: plan, candle"),
        (&["--backend", "plan,stock", "--precision", "bf16"], "add f32"),
        (&["--backend", "plan", "--precision", "f16"], "add f32"),
        #[cfg(not(feature = "cuda"))]
        (&["--backend", "cuda-graph", "--precision", "f16"], "--features cuda"),
    ];
    for (arguments, expected) in cases {
        let run = run("bench", *arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
    }
}
