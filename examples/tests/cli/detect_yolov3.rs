//! `detect`, `evaluate coco` and `bench` with a YOLOv3 of mmdetection's layout.

use crate::formula::{Formula, plain};
use crate::program::{Ended, run, sample};
use candle::{Device, Result, Tensor};
use heads::boxes::Detections;
use heads::placement::Batch;
use heads::yolov3::{YoloPostProcess, YoloV3, YoloV3Config};
use serde_json::{Value, json};
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

/// A detector of four classes with weights of a formula, and these in a file of a folder.
fn detector(folder: &Path) -> Result<(YoloV3, String)> {
    let formula = Formula::default();
    let preset = YoloV3Config::mmdet();
    let postprocess = YoloPostProcess {
        score_threshold: 0.25,
        iou_threshold: 0.5,
        detections: 5,
        ..preset.postprocess
    };
    let config = YoloV3Config { classes: 4, postprocess, ..preset };
    let net = YoloV3::ghostnet(&config, &ghostnetv2::Config::v2(0.25), formula.var_builder())?;
    let tensors: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    let file = folder.join("model.safetensors");
    candle::safetensors::save(&tensors, &file)?;
    Ok((net, text(file)))
}

fn check(found: &Value, expected: &Detections) {
    let found = found["detections"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found["class_id"], expected.class_id);
        assert!((found["score"].as_f64().unwrap() - f64::from(expected.score)).abs() < 1e-4);
        let bbox: [f32; 4] = serde_json::from_value(found["bbox"].clone()).unwrap();
        assert!(bbox.iter().zip(expected.bbox).all(|(a, b)| (a - b).abs() < 0.01), "{bbox:?}");
    }
}

/// `--conf` and the like that ask for what [`detector`] finds.
const WANTED: [&str; 6] = ["--conf", "0.25", "--max-det", "5", "--format", "json"];

#[test]
fn the_program_finds_what_the_library_finds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| text(folder.path().join(name));
    let (net, weights) = detector(folder.path())?;
    let input = plain("input", (2, 3, 96, 128))?;
    candle::safetensors::save(&HashMap::from([("input", input.clone())]), at("x.safetensors"))?;
    let raw = net.forward_t(&input, false)?;
    // A score of a class by that of any object, not only the former, is what is asked for.
    let expected = net.config().detections(&raw, &Batch::of_inputs(input)?)?;
    let expected: Vec<_> = expected.iter().map(|found| found.at_least(0.25)).collect();
    assert!(expected.iter().any(|found| !found.is_empty()), "{expected:?}");

    let (x, y) = (at("x.safetensors"), at("y.safetensors"));
    let network = ["--weights", &weights, "--which", "ghostnetv2_025", "--preset", "yolov3"];
    for backend in ["plan", "candle"] {
        let given = ["--backend", backend, "--tensor", &x, "--dump", &y];
        let run = run("detect", network.iter().chain(&given).chain(&WANTED));
        says(&run, 0, &["yolov3 (yolov3) on ghostnetv2_025, 4 classes"]);
        let found: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(found.len(), 2);
        found.iter().zip(&expected).for_each(|(found, expected)| check(found, expected));
        let dump = candle::safetensors::load(&y, &Device::Cpu)?;
        assert_eq!(dump.len(), 4);
        for (level, map) in [5, 4, 3].into_iter().zip(&raw) {
            let off = (&dump[&format!("raw.{level}")] - map)?.abs()?.max_all()?;
            assert!(off.to_scalar::<f32>()? < 1e-3, "{backend}: level {level}");
        }
    }
    Ok(())
}

#[test]
fn pictures_by_what_a_folder_tells_and_their_scores() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let (net, _) = detector(folder.path())?;
    let told = json!({
        "architecture": "ghostnetv2_025", "num_classes": 4,
        "label_names": ["ant", "bee", "cow", "dog"],
        "head": { "preset": "yolov3", "category_ids": [3, 5, 7, 9] },
    });
    fs::write(at("config.json"), told.to_string())?;
    let (model, coffee) = (text(folder.path()), text(sample("coffee.jpg")));
    let found = run("detect", ["--model", &model, &coffee].iter().chain(&WANTED));
    says(&found, 0, &["yolov3 (yolov3) on ghostnetv2_025, 4 classes"]);
    let found: Vec<Value> = serde_json::from_str(&found.stdout).unwrap();
    let picture = ghostnetv2::picture::open(&sample("coffee.jpg"), &Default::default()).unwrap();
    let batch = net.config().input.batch(&[picture], &Device::Cpu)?;
    let expected = net.detect_batch(&batch)?[0].at_least(0.25);
    check(&found[0], &expected);
    let best = &found[0]["detections"][0];
    let class = best["class_id"].as_u64().unwrap() as usize;
    assert_eq!(best["label"], ["ant", "bee", "cow", "dog"][class]);
    assert_eq!(best["category_id"], [3, 5, 7, 9][class]);

    // What is found is what is there: the score is more than nothing.
    let [x1, y1, x2, y2]: [f64; 4] = serde_json::from_value(best["bbox"].clone()).unwrap();
    fs::create_dir(at("images"))?;
    fs::copy(sample("coffee.jpg"), at("images/coffee.jpg"))?;
    let categories = [3, 5, 7, 9].map(|id| json!({ "id": id, "name": "any" }));
    let truth = json!({
        "images": [{ "id": 1, "file_name": "coffee.jpg", "width": 600, "height": 400 }],
        "categories": categories,
        "annotations": [{
            "id": 1, "image_id": 1, "category_id": best["category_id"],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }],
    });
    fs::write(at("truth.json"), truth.to_string())?;
    let (truth, images) = (text(at("truth.json")), text(at("images")));
    let coco = ["coco", "--annotations", &truth, "--images", &images, "--model", &model];
    let score = run("evaluate", coco.iter().chain(&["--format", "json"]));
    assert_eq!(score.code, 0, "{}", score.stderr);
    let score: Value = serde_json::from_str(&score.stdout).unwrap();
    assert!(score["ap"].as_f64().unwrap() > 0.1, "{score}");
    Ok(())
}

#[test]
fn files_of_other_networks_say_what_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, weights) = detector(folder.path())?;
    let named = |preset| ["--weights", &weights, "--which", "ghostnetv2_025", "--preset", preset];
    let coffee = text(sample("coffee.jpg"));
    let retinanet = run("detect", named("mmdet").iter().chain(&[coffee.as_str()]));
    says(&retinanet, 3, &["missing", "bbox_head.retina_cls", "unexpected", "neck.detect1"]);
    let other = text(folder.path().join("other.safetensors"));
    let tensor = HashMap::from([(
        "neck.detect1.conv1.conv.weight",
        Tensor::zeros((1, 1, 1, 1), candle::DType::F32, &Device::Cpu)?,
    )]);
    candle::safetensors::save(&tensor, &other)?;
    let yolov3 = run("detect", ["--weights", &other, "--preset", "yolov3", &coffee]);
    says(&yolov3, 3, &["missing", "bbox_head.convs_pred.0.bias", "of another shape", "conv1"]);
    Ok(())
}

#[test]
fn untrained_and_timed() {
    let coffee = text(sample("coffee.jpg"));
    for (preset, side) in [("yolov3", "416"), ("yolov3-320", "320")] {
        let run = run("detect", ["--preset", preset, "--timing", &coffee]);
        says(&run, 0, &[&format!("yolov3 ({preset}) on"), "80 classes", "not trained", "finding"]);
        assert_eq!(run.stdout, "nothing\n", "{preset} at {side}");
    }
    for more in [&[][..], &["--postprocess"], &["--backend", "candle", "--postprocess"]] {
        let small = ["--which", "yolov3-320", "--size", "64", "--seconds", "0"];
        let run = run("bench", small.iter().chain(more));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let row: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(row["model"], "yolov3-320");
    }
}
