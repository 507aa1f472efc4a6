//! `train classify` on pictures of two kinds: with a rectangle, and without.

use crate::program::{classify, run};
use crate::training::{SIDE, complete, killed_and_resumed, must_fall, picture, png, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// `train/CLASS/*.png` and `val/CLASS/*.png`.
fn classes(folder: &Path, count: u32) {
    for part in ["train", "val"] {
        for i in 0..count {
            picture(&folder.join(part).join("sticker").join(format!("{i}.png")), i);
            let noise = |p: u32| (p.wrapping_mul(2_654_435_761 - 2 * i) >> 27) as u8;
            let pixels: Vec<u8> =
                (0..SIDE * SIDE).flat_map(|p| [noise(p), 30, 160 + noise(p)]).collect();
            let path = folder.join(part).join("bare").join(format!("{i}.png"));
            png(&path, png::ColorType::Rgb, &pixels);
        }
    }
}

/// Arguments that train on `folder`.
fn training(folder: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let (data, out) = (text(folder), text(out));
    let arguments =
        ["classify", "--data", &data, "--batch-size", "4", "--print-freq", "1", "--out", &out];
    arguments.into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
}

#[test]
fn a_classifier_learns_two_kinds_and_the_programs_load_it() {
    let folder = tempfile::tempdir().unwrap();
    classes(folder.path(), 8);
    let out = folder.path().join("run");
    let more = ["--epochs", "10", "--lr", "2e-3", "--label-smoothing", "0", "--dropout", "0"];
    complete(run("train", training(folder.path(), &out, &more)));
    must_fall(&out);
    let curve = fs::read_to_string(out.join("curve.svg")).unwrap();
    assert!(curve.contains("loss") && curve.contains("top1"), "{}", &curve[..200]);

    let model = text(out.join("best"));
    let pictures =
        ["bare/3.png", "sticker/3.png"].map(|name| text(folder.path().join("val").join(name)));
    let answers = classify([
        "--model",
        &model,
        "--format",
        "jsonl",
        "--top-k",
        "1",
        &pictures[0],
        &pictures[1],
    ]);
    let answers = complete(answers).stdout;
    let names: Vec<Value> =
        answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(names[0].to_string().contains("bare"), "{answers}");
    assert!(names[1].to_string().contains("\"sticker\""), "{answers}");
}

#[test]
fn a_killed_classifier_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    classes(folder.path(), 6);
    let more = [
        "--epochs",
        "3",
        "--lr",
        "1e-3",
        "--save-steps",
        "1",
        "--auto-augment",
        "ra",
        "--mixup-alpha",
        "0.2",
        "--random-erase",
        "0.2",
        "--opt",
        "sgd-nesterov",
    ];
    let arguments = |out: &Path| training(folder.path(), out, &more);
    killed_and_resumed(&arguments, folder.path(), "conv_stem");
}
