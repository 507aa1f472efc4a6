//! `classify` on bad input: the right exit code, words that help, and the rest goes on.

use crate::program::{Ended, classify, command, ended, sample};
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

#[test]
fn bad_pictures_do_not_stop_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read(sample("coffee.jpg")).unwrap();
    fs::write(at("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("empty.png"), "").unwrap();
    fs::write(at("text.jpg"), "no picture").unwrap();
    let good = [text(sample("coffee.jpg")), text(sample("rocket.jpg"))];
    let bad =
        [text(at("cut.jpg")), text(at("empty.png")), text(at("text.jpg")), text(at("missing.jpg"))];
    let mixed = [&bad[0], &good[0], &bad[1], &bad[2], &good[1], &bad[3]];

    let run = classify(["--format", "csv"].into_iter().chain(mixed.map(String::as_str)));
    says(&run, 3, &["cut.jpg", "empty.png", "text.jpg", "missing.jpg", "4 of 6 pictures"]);
    let alone = classify(["--format", "csv", &good[0], &good[1]]).stdout;
    let read: String = run
        .stdout
        .lines()
        .filter(|line| !line.contains(",,,,"))
        .map(|line| format!("{line}\n"))
        .collect();
    let columns = |csv: &str| {
        csv.lines().map(|l| l.split(',').take(4).collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(columns(&read), columns(&alone));
    assert_eq!(run.stdout.lines().filter(|line| line.contains(",,,,")).count(), 4);

    let run = classify(["--allow-truncated", &bad[0]]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 5), "{}", run.stderr);
}

#[test]
fn wrong_usage_is_2() {
    let coffee = text(sample("coffee.jpg"));
    let cases: &[(&[&str], &str)] = &[
        (&["--no-such-flag"], "--help"),
        (&["--top-k", "0"], "--top-k"),
        (&["--threads", "0"], "--threads"),
        (&["--batch", "0"], "--batch"),
        (&["--size", "32"], "at least 33"),
        (&["--size", "a"], "HxW"),
        (&["--device", "tpu"], "cuda:N"),
        (&["--model", "resnet50"], "ghostnetv2_100"),
        (&["--which", "resnet50"], "ghostnetv2_100"),
        (&["--model", "x", "--weights", "y"], "cannot be used"),
        (&["--labels", "no-such-file"], "no-such-file"),
        (&["--dump", "no/such/folder/y.safetensors"], "no such folder"),
    ];
    for (arguments, expected) in cases {
        says(&classify(arguments.iter().copied().chain([coffee.as_str()])), 2, &[expected]);
    }
    let empty = tempfile::tempdir().unwrap();
    says(&classify([text(empty.path())]), 2, &["no pictures"]);
    says(&classify([text(empty.path().join("*.jpg"))]), 2, &["no file matches"]);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_was_not_built_in() {
    says(&classify(["--device", "cuda"]), 2, &["--features cuda"]);
    says(&classify(["--device", "metal"]), 2, &["--features metal"]);
}

#[test]
fn labels_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.txt");
    fs::write(&file, "cat\ndog\n").unwrap();
    says(&classify(["--labels", &text(&file)]), 2, &["2 labels for 200 classes"]);
}

#[test]
fn no_network_is_4_and_says_the_way_out() {
    let run = classify(["--model", "ghostnetv2_100"]);
    says(&run, 4, &["http://127.0.0.1:9", "timm/ghostnetv2_100.in1k"]);
    let run = classify(["--model", "ghostnetv2_100", "--offline"]);
    says(&run, 4, &["timm/ghostnetv2_100.in1k"]);
    let cache = tempfile::tempdir().unwrap();
    let mut offline = command("classify", cache.path());
    let output = offline.env("HF_HUB_OFFLINE", "1").args(["--model", "hf:a/b"]).output().unwrap();
    says(&ended(output), 4, &[&text(cache.path())]);
}

#[test]
fn weights_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.pth");
    fs::write(&file, b"PK\x03\x04 a zip file").unwrap();
    says(&classify(["--weights", &text(&file)]), 3, &["pickle", "scripts/convert.py"]);
    fs::write(&file, [0u8; 40]).unwrap();
    says(&classify(["--weights", &text(&file)]), 3, &["not a whole safetensors file"]);
    says(&classify(["--weights", "no-such-file"]), 3, &["no-such-file"]);
    says(&classify(["--model", &text(folder.path())]), 3, &["config.json"]);
}

#[test]
fn the_right_weights_for_another_network() {
    let shipped = sample("../ghostnetv2_100-tiny-imagenet/model.safetensors");
    let run = classify(["--weights", &text(&shipped), "--which", "ghostnet_100"]);
    says(&run, 3, &["unexpected", "short_conv", "those of ghostnetv2_100"]);
    let run = classify(["--weights", &text(&shipped), "--which", "ghostnetv2_130"]);
    says(&run, 3, &["of another shape", "conv_stem.weight"]);
}
