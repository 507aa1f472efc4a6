//! `evaluate coco`, `ade20k`, `camvid` and `folders`.

use crate::program::{Ended, run, sample};
use heads::segmentation::LabelMap;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

fn evaluate<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run("evaluate", arguments)
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

fn number(run: &Ended) -> Value {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn cocos_twelve_numbers_are_pycocotools() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../heads/tests/fixtures/coco");
    let at = |name: &str| text(folder.join(name));
    let (truth, results) = (at("truth.json"), at("results.json"));
    let files = ["coco", "--annotations", &truth, "--detections", &results];
    let expected: Value = serde_json::from_slice(&fs::read(at("expected.json")).unwrap()).unwrap();
    let json = ["--format", "json", "--by-category"];
    let found = number(&evaluate(files.into_iter().chain(json)));
    let names = ["ap", "ap_50", "ap_75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10"];
    for (i, name) in names.into_iter().enumerate() {
        let off = found[name].as_f64().unwrap() - expected["stats"][i].as_f64().unwrap();
        assert!(off.abs() < 1e-9, "{name}");
    }
    assert_eq!(found["by_category"].as_object().unwrap().len(), 7);
    let (all, half) = (&found["by_category"], &found["by_category_50"]);
    for (name, ap) in all.as_object().unwrap() {
        assert!(half[name].as_f64() >= ap.as_f64(), "{name}: {ap}, at one half {}", half[name]);
    }
    let all =
        number(&evaluate(files.into_iter().chain(["--format", "json", "--without-categories"])));
    let off = all["ap"].as_f64().unwrap() - expected["without_categories"][0].as_f64().unwrap();
    assert!(off.abs() < 1e-9);
    let table = evaluate(files);
    assert_eq!(table.stdout.lines().count(), 12);
    assert!(table.stdout.starts_with(" Average Precision  (AP) @[ IoU=0.50:0.95 |"));
}

#[test]
fn a_detector_is_scored_on_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(sample("coffee.jpg"), at("coffee.jpg")).unwrap();
    let image = |id: u64, name: &str, width: u64| json!({ "id": id, "file_name": name, "width": width, "height": 400 });
    let annotations = |images: Value| {
        json!({
            "images": images, "categories": [{ "id": 47, "name": "cup" }],
            "annotations": [{ "id": 1, "image_id": 3, "category_id": 47, "bbox": [170, 20, 240, 270] }],
        })
    };
    let run = |images: Value| {
        fs::write(at("truth.json"), annotations(images).to_string()).unwrap();
        let (truth, images) = (text(at("truth.json")), text(folder.path()));
        evaluate([
            "coco",
            "--annotations",
            &truth,
            "--images",
            &images,
            "--size",
            "64",
            "--format",
            "json",
        ])
    };
    let found = number(&run(json!([image(3, "coffee.jpg", 600)])));
    assert!(found["ap"].as_f64().unwrap() < 0.5, "it is not trained");
    assert_eq!(found["ap_small"], -1.0);
    let missing =
        json!([image(3, "coffee.jpg", 600), image(4, "a.jpg", 600), image(5, "b.jpg", 600)]);
    says(&run(missing), 3, &["2 problems", "a.jpg: there is no such file", "b.jpg"]);
    says(&run(json!([image(3, "coffee.jpg", 601)])), 3, &["coffee.jpg has 600x400 pixels"]);
}

#[test]
fn wrong_annotations_and_detections_are_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let truth = r#"{"images": [], "categories": [], "annotations": [
        {"id": 1, "image_id": 3, "category_id": 47, "bbox": [0, 0, 0, 1]}]}"#;
    fs::write(at("truth.json"), truth).unwrap();
    fs::write(at("empty.json"), r#"{"images": [], "categories": [], "annotations": []}"#).unwrap();
    fs::write(
        at("found.json"),
        r#"[{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1}]"#,
    )
    .unwrap();
    let run = |truth: &str| {
        let (truth, found) = (text(at(truth)), text(at("found.json")));
        evaluate(["coco", "--annotations", &truth, "--detections", &found])
    };
    says(&run("truth.json"), 3, &["3 problems", "image_id 3", "category_id 47", "bbox"]);
    says(&run("empty.json"), 3, &["2 problems", "image_id 1", "category_id 2"]);
    says(&run("missing.json"), 3, &["missing.json"]);
    says(&evaluate(["coco", "--annotations", "x"]), 2, &["--detections"]);
}

/// Writes masks of 2x2 pixels.
fn masks(folder: &Path, maps: &[(&str, [u8; 4])]) -> String {
    fs::create_dir(folder).unwrap();
    for (name, labels) in maps {
        let map = LabelMap::new((2, 2), labels.to_vec()).unwrap();
        fs::write(folder.join(name), cli::masks::png(&map).unwrap()).unwrap();
    }
    text(folder)
}

#[test]
fn both_means_over_classes() {
    let folder = tempfile::tempdir().unwrap();
    let truth =
        masks(&folder.path().join("a"), &[("1.png", [0, 1, 1, 2]), ("2.png", [3, 3, 0, 0])]);
    let good = masks(&folder.path().join("b"), &[("1.png", [9, 0, 0, 1]), ("2.png", [2, 2, 9, 9])]);
    let run = |arguments: &[&str]| number(&evaluate(arguments.iter().chain(&["--format", "json"])));
    // 0 is no class: three of 150 classes are there, and all pixels are right.
    let found = run(&["ade20k", "--annotations", &truth, "--predictions", &good]);
    assert_eq!(found["miou_of_present"], 1.0);
    assert_eq!(found["miou_of_all"], 3.0 / 150.0);
    assert_eq!(found["pixel_accuracy"], 1.0);
    assert_eq!(
        (&found["classes"][0]["label"], &found["classes"][0]["iou"]),
        (&json!("wall"), &json!(1.0))
    );
    let same =
        ["ade20k", "--annotations", &truth, "--predictions", &truth, "--predictions-from-one"];
    assert_eq!(run(&same), found);

    let void = masks(&folder.path().join("c"), &[("1.png", [11, 0, 0, 8]), ("2.png", [11; 4])]);
    let guess = masks(&folder.path().join("d"), &[("1.png", [8, 0, 8, 8]), ("2.png", [3; 4])]);
    let found = run(&["camvid", "--annotations", &void, "--predictions", &guess]);
    assert_eq!(
        (found["classes"][0]["iou"].as_f64(), found["classes"][8]["iou"].as_f64()),
        (Some(0.5), Some(0.5))
    );
    assert_eq!(found["classes"][3]["iou"], Value::Null);
    let found =
        run(&["folders", "--annotations", &truth, "--predictions", &truth, "--num-classes", "4"]);
    assert_eq!(found["miou_of_all"], 1.0);

    let folders = ["folders", "--annotations", &truth, "--predictions", &good];
    says(&evaluate(folders), 2, &["--num-classes"]);
    let few = folders.into_iter().chain(["--num-classes", "2"]);
    says(&evaluate(few), 3, &["label 2: expected one below 2"]);
    fs::remove_file(folder.path().join("b/1.png")).unwrap();
    let ade = ["ade20k", "--annotations", &truth, "--predictions", &good];
    says(&evaluate(ade), 3, &["1 problems", "1.png: there is no such file"]);
    let lines = evaluate([
        "ade20k",
        "--annotations",
        &truth,
        "--predictions",
        &truth,
        "--predictions-from-one",
    ]);
    assert!(
        lines.stdout.starts_with("mIoU 1.0000  absent classes are skipped"),
        "{}",
        lines.stdout
    );
}

#[test]
fn a_network_is_scored_on_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (images, truth) = (folder.path().join("images"), folder.path().join("truth"));
    fs::create_dir(&images).unwrap();
    fs::create_dir(&truth).unwrap();
    fs::copy(sample("coffee.jpg"), images.join("coffee.jpg")).unwrap();
    let map = LabelMap::new((400, 600), vec![7; 400 * 600]).unwrap();
    fs::write(truth.join("coffee.png"), cli::masks::png(&map).unwrap()).unwrap();
    let (images, truth) = (text(images), text(truth));
    let small = ["--annotations", &truth, "--images", &images, "--size", "64"];
    let run = |layout: &str, more: &[&str]| {
        evaluate([layout].into_iter().chain(small).chain(more.iter().copied()))
    };
    for (layout, more, classes) in [("camvid", &[][..], 11), ("ade20k", &["--preset", "lite"], 150)]
    {
        let found = number(&run(layout, &[more, &["--format", "json"]].concat()));
        assert!(found["pixel_accuracy"].as_f64().unwrap() <= 1.0);
        assert_eq!(found["classes"].as_array().unwrap().len(), classes);
    }
    says(&run("ade20k", &[]), 2, &["11 classes", "150"]);
    // A mask of another size ends it: its picture is not the one that was annotated.
    let map = LabelMap::new((2, 2), vec![7; 4]).unwrap();
    fs::write(Path::new(&truth).join("coffee.png"), cli::masks::png(&map).unwrap()).unwrap();
    says(&run("camvid", &[]), 3, &["coffee.png", "600x400 pixels: expected 2x2"]);
}
