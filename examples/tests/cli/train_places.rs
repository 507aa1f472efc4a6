//! `train detect` and `train segment` on pictures of coloured rectangles.

use crate::program::{asset, command, ended, run};
use crate::training::{
    SIDE, complete, inside, killed_and_resumed, must_fall, picture, png, rectangle, text,
};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Pictures of one category, number 7.
fn boxes(folder: &Path, count: u32) -> PathBuf {
    let name = |i: u32| format!("{i}.png");
    (0..count).for_each(|i| picture(&folder.join("images").join(name(i)), i));
    let image = |i| json!({ "id": i, "file_name": name(i), "width": SIDE, "height": SIDE });
    let annotation = |i| {
        let [x1, y1, x2, y2] = rectangle(i);
        json!({ "id": i, "image_id": i, "category_id": 7, "bbox": [x1, y1, x2 - x1, y2 - y1] })
    };
    let all = json!({
        "images": (0..count).map(image).collect::<Vec<_>>(),
        "annotations": (0..count).map(annotation).collect::<Vec<_>>(),
        "categories": [{ "id": 7, "name": "sticker" }],
    });
    let file = folder.join("annotations.json");
    fs::write(&file, all.to_string()).unwrap();
    file
}

/// Pictures and masks of two classes.
fn masks(folder: &Path, count: u32) {
    for part in ["train", "val"] {
        for i in 0..count {
            let name = format!("{i}.png");
            picture(&folder.join(part).join("images").join(&name), i);
            let labels: Vec<u8> = (0..SIDE * SIDE).map(|p| u8::from(inside(i, p))).collect();
            png(&folder.join(part).join("labels").join(&name), png::ColorType::Grayscale, &labels);
        }
    }
}

/// Arguments that train a detector on `folder`.
fn detect(folder: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let (images, annotations) =
        (text(folder.join("images")), text(folder.join("annotations.json")));
    let out = text(out);
    let arguments = [
        "detect",
        "--data",
        &images,
        "--annotations",
        &annotations,
        "--val-annotations",
        &annotations,
        "--size",
        "64",
        "--batch-size",
        "2",
        "--print-freq",
        "1",
        "--out",
        &out,
    ];
    arguments.into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
}

/// Arguments that train a segmentation network on `folder`.
fn segment(folder: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let (data, out) = (text(folder), text(out));
    let arguments = [
        "segment",
        "--data",
        &data,
        "--size",
        "64",
        "--batch-size",
        "2",
        "--print-freq",
        "1",
        "--out",
        &out,
    ];
    arguments.into_iter().chain(more.iter().copied()).map(str::to_owned).collect()
}

#[test]
fn a_detector_learns_what_its_boxes_mark_and_the_programs_load_it() {
    let folder = tempfile::tempdir().unwrap();
    let annotations = text(boxes(folder.path(), 6));
    let out = folder.path().join("run");
    let more = ["--epochs", "14", "--lr", "2e-3", "--data-augmentation", "hflip"];
    let run_to_end = complete(run("train", detect(folder.path(), &out, &more)));
    must_fall(&out);
    assert!(run_to_end.stdout.contains("AP50 sticker"), "{}", run_to_end.stdout);

    let model = text(out.join("best"));
    let images = text(folder.path().join("images"));
    let scored = complete(run(
        "evaluate",
        [
            "coco",
            "--annotations",
            &annotations,
            "--images",
            &images,
            "--model",
            &model,
            "--format",
            "json",
            "--by-category",
        ],
    ));
    let scored: Value = serde_json::from_str(&scored.stdout).unwrap();
    let rows = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scores =
        rows.iter().flat_map(|row| ["weights", "ema"].map(|kind| row[kind]["AP"].as_f64()));
    let best = scores.flatten().fold(0.0, f64::max);
    assert!((scored["ap"].as_f64().unwrap() * 100.0 - best).abs() < 1e-6, "{scored}, {best}");
    assert!(scored["by_category"]["sticker"].is_f64());

    // It goes on from there; other categories get a new layer of classes.
    let next = folder.path().join("next");
    let more = ["--epochs", "1", "--init", &model];
    let same = complete(run("train", detect(folder.path(), &next, &more)));
    assert!(!same.stderr.contains("starts anew"), "{}", same.stderr);
    let renamed = fs::read_to_string(&annotations).unwrap().replace(":7", ":8");
    fs::write(&annotations, renamed).unwrap();
    let other = folder.path().join("other");
    let other = complete(run("train", detect(folder.path(), &other, &more)));
    assert!(other.stderr.contains("starts anew"), "{}", other.stderr);
}

#[test]
fn a_killed_detector_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    boxes(folder.path(), 4);
    let more = ["--epochs", "3", "--save-steps", "1"];
    let arguments = |out: &Path| detect(folder.path(), out, &more);
    killed_and_resumed(&arguments, folder.path(), "backbone.body.conv_stem");
}

#[test]
fn a_segmentation_network_learns_what_its_masks_show_and_the_programs_load_it() {
    let folder = tempfile::tempdir().unwrap();
    masks(folder.path(), 6);
    let out = folder.path().join("run");
    let more = ["--epochs", "10", "--lr", "2e-3"];
    let run_to_end = complete(run("train", segment(folder.path(), &out, &more)));
    must_fall(&out);
    assert!(run_to_end.stdout.contains("IoU class 1"), "{}", run_to_end.stdout);
    let (labels, images) =
        (text(folder.path().join("val/labels")), text(folder.path().join("val/images")));
    let model = text(out.join("best"));
    let scored = complete(run(
        "evaluate",
        [
            "folders",
            "--annotations",
            &labels,
            "--images",
            &images,
            "--model",
            &model,
            "--format",
            "json",
        ],
    ));
    let scored: Value = serde_json::from_str(&scored.stdout).unwrap();
    assert!(scored["miou_of_present"].as_f64().unwrap() > 0.6, "{scored}");
}

/// The detector's backbone is wanted, not its input's size, which masks of 64 pixels would miss.
#[test]
fn a_segmentation_network_starts_from_a_detectors_backbone() {
    let folder = tempfile::tempdir().unwrap();
    masks(folder.path(), 2);
    let detector = text(asset("ghostnetv2_100-coco-person"));
    let out = folder.path().join("run");
    let more = ["--epochs", "1", "--lr", "0", "--init", &detector];
    complete(run("train", segment(folder.path(), &out, &more)));
    let tensor = |file: PathBuf, name: &str| {
        let tensors = candle::safetensors::load(file, &candle::Device::Cpu).unwrap();
        let tensor = tensors[name].to_dtype(candle::DType::F32).unwrap();
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let started =
        tensor(out.join("best/model.safetensors"), "backbone.timm_model.conv_stem.weight");
    let known = asset("ghostnetv2_100-coco-person").join("model.safetensors");
    assert_eq!(started, tensor(known, "backbone.body.conv_stem.weight"));
}

#[test]
fn a_killed_segmentation_network_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    masks(folder.path(), 4);
    let more = ["--epochs", "3", "--save-steps", "1"];
    let arguments = |out: &Path| segment(folder.path(), out, &more);
    killed_and_resumed(&arguments, folder.path(), "backbone.timm_model.conv_stem");
}

#[test]
fn all_that_is_wrong_with_the_data_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    boxes(folder.path(), 4);
    for i in 0..2 {
        fs::write(folder.path().join(format!("images/{i}.png")), "no picture").unwrap();
    }
    let out = folder.path().join("run");
    let refused = run("train", detect(folder.path(), &out, &[]));
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    for part in ["2 problems", "0.png", "1.png"] {
        assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
    }
    assert!(!out.exists());
    let arguments = detect(folder.path(), &out, &["--freeze", "backbon"]);
    (0..2).for_each(|i| picture(&folder.path().join(format!("images/{i}.png")), i));
    let cache = tempfile::tempdir().unwrap();
    let misspelled = ended(command("train", cache.path()).args(arguments).output().unwrap());
    assert_eq!(misspelled.code, 2, "{}", misspelled.stderr);
    assert!(misspelled.stderr.contains("backbon"), "{}", misspelled.stderr);
}
