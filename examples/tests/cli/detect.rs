//! `detect` on good and on bad input.

use crate::formula::Formula;
use crate::program::{Ended, run, sample};
use candle::{Device, Tensor};
use heads::placement::Batch;
use heads::retinanet::{PostProcess, RetinaNet, RetinaNetConfig};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

fn detect<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run("detect", arguments)
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

/// Untrained heads say of everything that it is there by one percent.
const SURE: [&str; 6] = ["--preset", "lite", "--conf", "0.01", "--max-det", "3"];

#[test]
fn with_a_preset_alone_it_finds_nothing_and_says_why() {
    let run = detect(["--preset", "lite"]);
    says(&run, 0, &["retinanet (lite) on ghostnetv2_100, 80 classes", "not trained"]);
    assert_eq!(run.stdout.lines().filter(|line| *line == "nothing").count(), 5, "{}", run.stdout);
}

#[test]
fn without_arguments_it_finds_the_people_in_the_pictures_that_ship() {
    let run = detect(["--format", "json"]);
    says(&run, 0, &["retinanet (lite) on ghostnetv2_100, 80 classes", "coco-person"]);
    let list: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    for name in ["astronaut.jpg", "camera.png"] {
        let of = |picture: &&Value| picture["path"].as_str().unwrap().ends_with(name);
        let found = list.iter().find(of).unwrap()["detections"].as_array().unwrap();
        assert!(found.iter().any(|object| object["label"] == "person"), "{name}: {found:?}");
    }
}

#[test]
fn every_format_says_the_same() {
    let pictures = [text(sample("coffee.jpg")), text(sample("rocket.jpg"))];
    let run = |format: &str| {
        let arguments = SURE.iter().copied().chain(["--format", format]);
        let run = detect(arguments.chain(pictures.iter().map(String::as_str)));
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    let list: Vec<Value> = serde_json::from_str(&run("json")).unwrap();
    let lines: Vec<Value> =
        run("jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(list, lines);
    assert_eq!((&list[0]["width"], &list[0]["height"]), (&600.into(), &400.into()));
    let found = list[0]["detections"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    let csv = run("csv");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0].join(","), "path,rank,class_id,category_id,label,score,x1,y1,x2,y2,error");
    assert_eq!(rows.len(), 7);
    for (object, row) in found.iter().zip(&rows[1..]) {
        assert_eq!(object["category_id"].to_string(), row[3]);
        assert_eq!(object["label"], row[4]);
        let bbox: [f64; 4] = serde_json::from_value(object["bbox"].clone()).unwrap();
        assert!(bbox[0] >= 0.0 && bbox[2] <= 600.0 && bbox[0] < bbox[2], "{bbox:?}");
        assert!((bbox[3] - row[9].parse::<f64>().unwrap()).abs() < 1e-3);
    }
    assert_eq!(run("text").lines().filter(|line| line.contains('%')).count(), 6);
}

#[test]
fn classes_are_chosen_by_name_and_number() {
    let coffee = text(sample("coffee.jpg"));
    let run = detect(SURE.into_iter().chain(["--classes", "dog,1", "--format", "json", &coffee]));
    let list: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let found = list[0]["detections"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert!(
        found.iter().all(|object| ["dog", "person"].contains(&object["label"].as_str().unwrap()))
    );
    says(&detect(["--classes", "unicorn", &coffee]), 2, &["unicorn", "toothbrush"]);
}

#[test]
fn pictures_with_boxes_and_cocos_results() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::copy(sample("coffee.jpg"), at("a/x_000000000139.jpg")).unwrap();
    fs::copy(sample("rocket.jpg"), at("b/y_000000000042.jpg")).unwrap();
    fs::copy(sample("rocket.jpg"), at("b/y_000000000043.jpg")).unwrap();
    fs::copy(sample("coffee.jpg"), at("b/x_000000000139.jpg")).unwrap();
    let (out, results) = (text(at("out")), text(at("results.json")));
    let two = [text(at("a")), text(at("b/y_000000000042.jpg"))];
    let arguments = SURE.into_iter().chain(["--out", &out, "--save-coco", &results, "-q"]);
    let run = detect(arguments.clone().chain(two.iter().map(String::as_str)));
    says(&run, 0, &[]);
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let list: Vec<Value> = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    let ids: Vec<_> = list.iter().map(|found| found["image_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [139, 139, 139, 42, 42, 42]);
    for found in &list {
        let [x, y, w, h]: [f64; 4] = serde_json::from_value(found["bbox"].clone()).unwrap();
        assert!(w > 0.0 && h > 0.0 && x >= 0.0 && y >= 0.0 && x + w <= 640.001, "{found}");
        assert!((1..=90).contains(&found["category_id"].as_u64().unwrap()));
    }
    let drawn = image::open(at("out/x_000000000139.png")).unwrap().to_rgb8();
    assert_eq!(drawn.dimensions(), (600, 400));

    // Two pictures of one name: both are kept, and numbers are those of the order.
    let folders = [text(at("a")), text(at("b"))];
    says(&detect(arguments.chain(folders.iter().map(String::as_str))), 0, &[]);
    assert!(at("out/x_000000000139-2.png").exists());
    let list: Vec<Value> = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    assert_eq!(list.last().unwrap()["image_id"], 4);
}

#[test]
fn bad_pictures_do_not_stop_the_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read(sample("coffee.jpg")).unwrap();
    fs::write(at("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("empty.png"), "").unwrap();
    let good = [text(sample("coffee.jpg")), text(sample("rocket.jpg"))];
    let mixed = [&text(at("cut.jpg")), &good[0], &text(at("missing.jpg")), &good[1]];
    for batch in ["1", "3"] {
        let arguments = SURE.into_iter().chain(["--format", "jsonl", "--batch", batch]);
        let run = detect(arguments.chain(mixed.map(String::as_str)));
        says(&run, 3, &["cut.jpg", "missing.jpg", "2 of 4 pictures"]);
        let lines: Vec<Value> =
            run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed: Vec<_> = lines.iter().map(|line| line["error"].is_string()).collect();
        assert_eq!(failed, [true, false, true, false]);
        assert_eq!(lines[3]["detections"].as_array().unwrap().len(), 3);
    }
    let run = detect([text(at("empty.png"))]);
    says(&run, 3, &["empty.png", "1 of 1 pictures"]);
}

#[test]
fn annotations_are_drawn_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let json = r#"{"images": [{"id": 5, "file_name": "coffee.jpg", "width": 600, "height": 400},
            {"id": 6, "file_name": "rocket.jpg", "width": 1, "height": 1}],
        "categories": [{"id": 47, "name": "cup"}], "annotations": [
            {"id": 1, "image_id": 5, "category_id": 47, "bbox": [170.5, 20, 240, 270]}]}"#;
    fs::write(at("truth.json"), json).unwrap();
    let (truth, out) = (text(at("truth.json")), text(at("out")));
    let draw = |name: &str| {
        let picture = text(sample(name));
        detect(["--draw-annotations", &truth, "--out", &out, &picture])
    };
    says(&draw("coffee.jpg"), 0, &[]);
    let drawn = image::open(at("out/coffee.png")).unwrap().to_rgb8();
    let line = *drawn.get_pixel(171, 150);
    assert!((171..410).all(|x| *drawn.get_pixel(x, 289) == line), "the lower edge");
    assert!((60..289).all(|y| *drawn.get_pixel(410, y) == line), "the right edge");
    assert_ne!(*drawn.get_pixel(300, 291), line);
    says(&draw("rocket.jpg"), 3, &["rocket.jpg has 640x427 pixels, but 1x1"]);
    says(&draw("camera.png"), 3, &["camera.png is not in the annotations"]);
    fs::write(at("truth.json"), json.replace("240, 270", "0, 270")).unwrap();
    says(&draw("coffee.jpg"), 3, &["annotation 1: bbox", "above 0"]);
    says(&detect(["--draw-annotations", &truth]), 2, &["--out"]);
}

#[test]
fn the_program_finds_what_the_library_finds() -> candle::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let device = &Device::Cpu;
    let config = RetinaNetConfig { classes: 4, ..RetinaNetConfig::lite() };
    let config = RetinaNetConfig {
        postprocess: PostProcess { score_threshold: 0.01, detections: 5, ..config.postprocess },
        ..config
    };
    let formula = Formula::default();
    let backbone = ghostnetv2::Config::v2(0.5);
    let detector = RetinaNet::ghostnet(&config, &backbone, formula.var_builder())?;
    let tensors: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    candle::safetensors::save(&tensors, at("w.safetensors"))?;
    let input = Tensor::rand(-1f32, 1.0, (2, 3, 96, 128), device)?;
    candle::safetensors::save(&HashMap::from([("input", input.clone())]), at("x.safetensors"))?;

    let (raw, batch) = (detector.forward_t(&input, false)?, Batch::of_inputs(input)?);
    let expected = detector.detections(&raw, &batch)?;

    let (weights, x, y) =
        (text(at("w.safetensors")), text(at("x.safetensors")), text(at("y.safetensors")));
    let network = ["--weights", &weights, "--which", "ghostnetv2_050", "--preset", "lite"];
    let given =
        ["--tensor", &x, "--dump", &y, "--conf", "0.01", "--max-det", "5", "--format", "json"];
    let run = detect(network.into_iter().chain(given));
    says(&run, 0, &["4 classes"]);
    let found: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        let found = found["detections"].as_array().unwrap();
        assert_eq!((found.len(), expected.len()), (5, 5));
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found["class_id"], expected.class_id);
            assert!((found["score"].as_f64().unwrap() - f64::from(expected.score)).abs() < 1e-5);
        }
    }
    let dump = candle::safetensors::load(at("y.safetensors"), device)?;
    for (i, (logits, deltas)) in (3..).zip(raw.logits.iter().zip(&raw.deltas)) {
        for (what, expected) in [("logits", logits), ("deltas", deltas)] {
            let off = (&dump[&format!("{what}.{i}")] - expected)?.abs()?.max_all()?;
            assert!(off.to_scalar::<f32>()? < 1e-4);
        }
    }

    // A folder tells all that the arguments told.
    let config = r#"{"architecture": "ghostnetv2_050", "num_classes": 4,
        "label_names": ["ant", "bee", "cow", "dog"], "head": {"preset": "lite"}}"#;
    fs::write(at("config.json"), config).unwrap();
    fs::rename(at("w.safetensors"), at("model.safetensors")).unwrap();
    let model = text(folder.path());
    let run = detect(["--model", &model].into_iter().chain(given));
    says(&run, 0, &["retinanet (lite) on ghostnetv2_050, 4 classes"]);
    let named: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    for (named, found) in named.iter().zip(&found) {
        let (named, found) = (&named["detections"][0], &found["detections"][0]);
        let class = found["class_id"].as_u64().unwrap() as usize;
        assert_eq!(named["label"], ["ant", "bee", "cow", "dog"][class]);
        assert_eq!((&named["bbox"], &named["score"]), (&found["bbox"], &found["score"]));
    }

    // The same weights under another layout: everything that is missing is named.
    let run = detect(["--model", &model, "--preset", "mmdet"]);
    says(&run, 3, &["missing", "neck.fpn_convs.0.conv.weight", "unexpected", "backbone.fpn"]);
    Ok(())
}

#[test]
fn a_camera_held_upright() {
    // A picture of 40x30 pixels that is to be turned by a quarter.
    let picture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../ghostnetv2/tests/fixtures/pictures/exif-6.jpg");
    let size = |arguments: &[&str]| {
        let run = detect(["--format", "json"].iter().chain(arguments).copied());
        let list: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        (list[0]["width"].as_u64().unwrap(), list[0]["height"].as_u64().unwrap())
    };
    let (width, height) = size(&["--exif", "ignore", &text(&picture)]);
    assert_ne!(width, height);
    assert_eq!(size(&[&text(&picture)]), (height, width));
}

#[test]
fn wrong_usage_is_2() {
    let coffee = text(sample("coffee.jpg"));
    let cases: &[(&[&str], &str)] = &[
        (&["--conf", "1.5"], "0 to 1"),
        (&["--iou", "x"], "0 to 1"),
        (&["--max-det", "0"], "--max-det"),
        (&["--size", "20"], "at least 33"),
        (&["--size", "99999"], "16384"),
        (&["--preset", "yolo"], "torchvision-v2"),
        (&["--which", "ghostnetv2_130"], "--weights"),
        (&["--labels", "no-such-file"], "no-such-file"),
        (&["--font", "no-such-font"], "no-such-font"),
        (&["--dump", "no/such/folder/y.safetensors"], "no such folder"),
        (&["--tensor", "x", "--out", "y"], "cannot be used"),
    ];
    for (arguments, expected) in cases {
        let run = detect(arguments.iter().copied().chain([coffee.as_str()]));
        says(&run, 2, &[expected]);
    }
    let run = detect(["--save-coco", "no/such/folder/r.json", &coffee]);
    says(&run, 2, &["no such folder"]);
    let help = detect(["--help"]);
    for part in ["Examples:", "Exit codes:", "--save-coco", "--draw-annotations"] {
        assert!(help.stdout.contains(part), "{part}");
    }
}

#[test]
fn timing_names_every_phase() {
    let folder = tempfile::tempdir().unwrap();
    let run = detect(["--timing", "--out", &text(folder.path()), &text(sample("coffee.jpg"))]);
    says(&run, 0, &["loading", "reading", "computing", "finding", "drawing"]);
}
