//! `segment` on good and on bad input.

use crate::program::{Ended, run, sample};
use candle::{Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

fn segment<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run("segment", arguments)
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn says(run: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    }
}

/// Pictures so small that the tests are quick.
const SMALL: [&str; 2] = ["--size", "64"];

#[test]
fn shares_add_up_in_every_format() {
    let coffee = text(sample("coffee.jpg"));
    let run = |format: &str| {
        let run = segment(SMALL.into_iter().chain(["--format", format, &coffee]));
        says(
            &run,
            0,
            &["semantic fpn (lite) on ghostnetv2_100, 11 classes", "ghostnetv2_100-camvid"],
        );
        run.stdout
    };
    let list: Vec<Value> = serde_json::from_str(&run("json")).unwrap();
    let line: Value = serde_json::from_str(&run("jsonl")).unwrap();
    assert_eq!(list, [line]);
    let classes = list[0]["classes"].as_array().unwrap();
    let sum = |key: &str| classes.iter().map(|class| class[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(sum("pixels"), 600.0 * 400.0);
    assert!((sum("share") - 1.0).abs() < 1e-9);
    let csv = run("csv");
    assert!(csv.starts_with("path,rank,class_id,label,pixels,share,error\n"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + classes.len());
    assert_eq!(run("text").lines().count(), classes.len());
}

#[test]
fn masks_and_overlays() {
    let folder = tempfile::tempdir().unwrap();
    let (out, coffee) = (text(folder.path().join("out")), text(sample("coffee.jpg")));
    let run = segment(SMALL.into_iter().chain(["--out", &out, "--format", "json", &coffee]));
    says(&run, 0, &[]);
    let list: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let mask = heads::data::mask::read(&folder.path().join("out/coffee.png"), false).unwrap();
    assert_eq!(mask.size(), (400, 600));
    let counts = mask.counts(11);
    for class in list[0]["classes"].as_array().unwrap() {
        let class_id = class["class_id"].as_u64().unwrap() as usize;
        assert_eq!(class["pixels"], counts[class_id]);
    }
    let overlay = image::open(folder.path().join("out/coffee.overlay.png")).unwrap();
    assert!(overlay.width() == 600 && overlay.height() > 400, "the legend is below");

    // Masks can be drawn as annotations: the same colours, whatever the opacity.
    let truth = text(folder.path().join("truth"));
    let draw = ["--draw-annotations", &out, "--out", &truth, "--opacity", "1", &coffee];
    says(&segment(draw), 0, &[]);
    let drawn = image::open(folder.path().join("truth/coffee.png")).unwrap().to_rgb8();
    let labels = mask.labels();
    for (x, y) in [(0, 0), (300, 200), (599, 399)] {
        let class = labels[y as usize * 600 + x as usize];
        assert_eq!(*drawn.get_pixel(x, y), cli::draw::colour(class.into()));
    }
    let rocket = text(sample("rocket.jpg"));
    says(&segment(["--draw-annotations", &out, "--out", &truth, &rocket]), 3, &["rocket.png"]);
}

#[test]
fn windows_and_threads() {
    let coffee = text(sample("coffee.jpg"));
    let run = |arguments: &[&str]| {
        let given = ["--format", "jsonl", coffee.as_str()];
        let run = segment(SMALL.into_iter().chain(given).chain(arguments.iter().copied()));
        says(&run, 0, &[]);
        serde_json::from_str::<Value>(&run.stdout).unwrap()
    };
    let whole = run(&[]);
    assert_eq!(run(&["--threads", "1"])["classes"][0]["class_id"], whole["classes"][0]["class_id"]);
    assert_eq!(run(&["--window", "64x96"]), whole, "one window that is the whole input");
    assert_eq!(run(&["--window", "64", "--step", "40"])["width"], 600);
}

#[test]
fn bad_pictures_do_not_stop_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.jpg");
    let whole = fs::read(sample("coffee.jpg")).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let pictures = [text(&cut), text(sample("coffee.jpg"))];
    let arguments = SMALL.into_iter().chain(["--format", "jsonl"]);
    let run = segment(arguments.chain(pictures.iter().map(String::as_str)));
    says(&run, 3, &["cut.jpg", "1 of 2 pictures"]);
    assert_eq!(run.stdout.lines().count(), 2);
    assert!(run.stdout.lines().last().unwrap().contains("classes"));
}

#[test]
fn tensors_in_and_out() -> candle::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(folder.path().join(name));
    let input = Tensor::rand(-1f32, 1.0, (2, 3, 64, 96), &Device::Cpu)?;
    candle::safetensors::save(&HashMap::from([("input", input)]), at("x.safetensors"))?;
    let run = segment([
        "--tensor",
        &at("x.safetensors"),
        "--dump",
        &at("y.safetensors"),
        "--format",
        "jsonl",
    ]);
    says(&run, 0, &[]);
    assert_eq!(run.stdout.lines().count(), 2);
    let dump = candle::safetensors::load(at("y.safetensors"), &Device::Cpu)?;
    assert_eq!(dump["logits"].dims(), [2, 11, 16, 24]);
    Ok(())
}

#[test]
fn wrong_usage_is_2() {
    let coffee = text(sample("coffee.jpg"));
    let cases: &[(&[&str], &str)] = &[
        (&["--opacity", "2"], "0 to 1"),
        (&["--size", "20"], "at least 33"),
        (&["--preset", "deeplab"], "mmseg, smp, lite, deeplabv3"),
        (&["--window", "16"], "at least 33"),
        (&["--window", "64", "--step", "65"], "left out"),
        (&["--step", "40"], "--window"),
        (&["--reduce-zero-label"], "--draw-annotations"),
        (&["--labels", "no-such-file"], "no-such-file"),
    ];
    for (arguments, expected) in cases {
        says(&segment(arguments.iter().copied().chain([coffee.as_str()])), 2, &[expected]);
    }
    let help = segment(["--help"]);
    for part in ["Examples:", "Exit codes:", "--opacity", "--window"] {
        assert!(help.stdout.contains(part), "{part}");
    }
}
