//! `evaluate --shard --partial`: merged, shards print what the whole run prints.

use crate::formula::Formula;
use crate::program::{Ended, run, sample};
use heads::retinanet::{RetinaNet, RetinaNetConfig};
use heads::segmentation::LabelMap;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const SAMPLES: [(&str, u32, u32); 5] = [
    ("astronaut.jpg", 512, 512),
    ("camera.png", 512, 512),
    ("chelsea.png", 451, 300),
    ("coffee.jpg", 600, 400),
    ("rocket.jpg", 640, 427),
];

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn evaluate(arguments: &[&str], more: &[&str]) -> Ended {
    run("evaluate", arguments.iter().chain(more))
}

fn says(run: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    }
}

/// The files of all shards, the last one first.
fn partial(arguments: &[&str], of: usize, folder: &Path) -> Vec<String> {
    let shard = |number: usize| {
        let file = text(folder.join(format!("{number}.{of}.json")));
        let shard = format!("{number}/{of}");
        let part = evaluate(arguments, &["--shard", &shard, "--partial", &file]);
        assert!(matches!(part.code, 0 | 3), "{}", part.stderr);
        assert!(part.stdout.is_empty(), "a part is no score: {}", part.stdout);
        file
    };
    (1..=of).rev().map(shard).collect()
}

fn merge(files: &[String]) -> Ended {
    run("evaluate", ["merge".to_owned()].iter().chain(files))
}

/// Whole and merged, with the last exit code.
fn both(arguments: &[&str], of: usize) -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let whole = evaluate(arguments, &[]);
    let merged = merge(&partial(arguments, of, folder.path()));
    assert_eq!(merged.code, whole.code, "{}", merged.stderr);
    [whole.stdout, merged.stdout]
}

#[test]
fn right_classes() {
    let root = tempfile::tempdir().unwrap();
    // Espresso, a cat, and a fish, which is none of the model's classes; one picture is cut off.
    let classes = ["n07920052", "n02123045", "n01440764", "n07920052", "n02123045"];
    let mut list = String::new();
    for ((name, ..), class) in SAMPLES.iter().zip(classes) {
        fs::copy(sample(name), root.path().join(name)).unwrap();
        list += &format!("{name}, {class}\n");
    }
    fs::write(root.path().join("rocket.jpg"), "cut").unwrap();
    let file = root.path().join("list.txt");
    fs::write(&file, list).unwrap();
    let list = ["imagenet", "--list", &text(&file)];
    // Only what the clock says differs.
    let untimed = |text: String| {
        let mut object: Value = serde_json::from_str(&text).unwrap();
        let speed = object.as_object_mut().unwrap().remove("images_per_s").unwrap();
        assert!(speed.as_f64().unwrap() > 0.0);
        object.to_string()
    };
    for of in [2, 3, 7] {
        let [whole, merged] = both(&[&list[..], &["--format", "json"]].concat(), of).map(untimed);
        assert_eq!(whole, merged);
        assert!(
            whole.contains(r#""left_out":1"#) && whole.contains(r#""unreadable":1"#),
            "{whole}"
        );
    }
    let untimed = |text: String| {
        let line =
            |line: &str| line.split_once(" images/s").map_or(line, |(_, rest)| rest).to_owned();
        text.lines().map(line).collect::<Vec<_>>()
    };
    let [whole, merged] = both(&list, 2).map(untimed);
    assert_eq!(whole, merged);
    assert!(whole.len() == 3 && whole[2].contains("1 left out"), "{whole:?}");
}

/// A detector that finds a lot, and annotations of some of that.
fn detector(folder: &Path) -> candle::Result<[String; 3]> {
    let config = RetinaNetConfig { classes: 2, channels: 128, ..RetinaNetConfig::lite() };
    let formula = Formula::default();
    RetinaNet::ghostnet(&config, &ghostnetv2::Config::v2(0.25), formula.var_builder())?;
    let tensors: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    let model = folder.join("model");
    fs::create_dir(&model)?;
    candle::safetensors::save(&tensors, model.join("model.safetensors"))?;
    let told = json!({
        "architecture": "ghostnetv2_025", "num_classes": 2, "label_names": ["ant", "bee"],
        "head": { "preset": "lite", "category_ids": [7, 9], "size": 64 },
    });
    fs::write(model.join("config.json"), told.to_string())?;

    let images = folder.join("images");
    fs::create_dir(&images)?;
    for (name, ..) in SAMPLES {
        fs::copy(sample(name), images.join(name))?;
    }
    let (model, images) = (text(model), text(images));
    let found = run("detect", ["--model", &model, "--conf", "0.05", "--format", "jsonl", &images]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    let mut annotations = Vec::new();
    for (id, line) in (1..).zip(found.stdout.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        for object in line["detections"].as_array().unwrap().iter().step_by(3).take(4) {
            let [x1, y1, x2, y2]: [f64; 4] =
                serde_json::from_value(object["bbox"].clone()).unwrap();
            annotations.push(json!({
                "id": annotations.len(), "image_id": id, "category_id": object["category_id"],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }));
        }
    }
    let image = |(id, (name, width, height)): (u64, (&str, u32, u32))| json!({ "id": id, "file_name": name, "width": width, "height": height });
    let truth = json!({
        "images": (1..).zip(SAMPLES).map(image).collect::<Vec<_>>(),
        "categories": [{ "id": 7, "name": "ant" }, { "id": 9, "name": "bee" }],
        "annotations": annotations,
    });
    fs::write(folder.join("truth.json"), truth.to_string())?;
    Ok([model, images, text(folder.join("truth.json"))])
}

#[test]
fn average_precision() -> candle::Result<()> {
    let root = tempfile::tempdir()?;
    let [model, images, truth] = detector(root.path())?;
    let arguments = ["coco", "--annotations", &truth, "--images", &images, "--model", &model];
    for more in [&[][..], &["--format", "json", "--by-category"], &["--without-categories"]] {
        let [whole, merged] = both(&[&arguments[..], more].concat(), 2);
        assert_eq!(whole, merged);
    }
    let [whole, _] = both(&[&arguments[..], &["--format", "json"]].concat(), 5);
    let score: Value = serde_json::from_str(&whole).unwrap();
    assert!(score["ap"].as_f64().unwrap() > 0.05, "there is something to be scored: {whole}");

    // Annotations that lie elsewhere, and others.
    let files = partial(&arguments, 2, root.path());
    let elsewhere = text(root.path().join("elsewhere.json"));
    fs::rename(&truth, &elsewhere)?;
    says(&merge(&files), 2, &["truth.json"]);
    let given = |file: &str| [&files[..], &["--annotations".into(), file.into()]].concat();
    says(&merge(&given(&elsewhere)), 0, &[]);
    let other = fs::read_to_string(&elsewhere)?.replace("bee", "cow");
    fs::write(&truth, other)?;
    says(&merge(&given(&truth)), 2, &["others than the shards had", "--annotations"]);
    Ok(())
}

#[test]
fn pixels_of_a_network_and_of_masks() {
    let root = tempfile::tempdir().unwrap();
    let truth = root.path().join("truth");
    fs::create_dir(&truth).unwrap();
    for (i, (name, width, height)) in SAMPLES.into_iter().enumerate() {
        let size = (height as usize, width as usize);
        let labels = (0..size.0 * size.1).map(|pixel| ((pixel / 1000 + i) % 12) as u8);
        let map = LabelMap::new(size, labels.collect()).unwrap();
        let name = Path::new(name).with_extension("png");
        fs::write(truth.join(name), cli::masks::png(&map).unwrap()).unwrap();
    }
    let (truth, images) = (text(truth), text(sample("")));
    let network = ["camvid", "--annotations", &truth, "--images", &images, "--size", "64"];
    let masks = ["camvid", "--annotations", &truth, "--predictions", &truth];
    for arguments in [&network[..], &masks] {
        for (format, of) in [("text", 2), ("json", 4)] {
            let [whole, merged] = both(&[arguments, &["--format", format]].concat(), of);
            assert_eq!(whole, merged);
            assert!(whole.contains("sky") && !whole.contains("mIoU 0.0000"), "{whole}");
        }
    }

    // What is not all of one run.
    let at = |name: &str| {
        let folder = root.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let small = partial(&network, 2, &at("small"));
    let other = partial(&[&network[..], &["--exif", "ignore"]].concat(), 2, &at("other"));
    let ready = partial(&masks, 2, &at("ready"));
    let three = partial(&network, 3, &at("three"));
    let refused = |files: &[&String], parts: &[&str]| {
        let merged = merge(&files.iter().map(|file| (*file).clone()).collect::<Vec<_>>());
        says(&merged, 2, parts);
        assert!(merged.stdout.is_empty(), "{}", merged.stdout);
    };
    refused(&[&small[0]], &["shard 1/2 is missing"]);
    refused(&[&small[0], &small[0]], &["are both shard 2/2", "shard 1/2 is missing"]);
    refused(&[&small[0], &other[1]], &["--exif is ignore: expected not given", "as in"]);
    refused(&[&small[0], &ready[1]], &["--predictions is", "weights is none"]);
    refused(&[&small[0], &three[2]], &["is shard 1/3 of 5 pictures: expected one of 2 of 5"]);
    let broken = text(root.path().join("broken.json"));
    let part = fs::read_to_string(&small[1]).unwrap();
    fs::write(&broken, &part[..part.len() / 2]).unwrap();
    says(&merge(&[small[0].clone(), broken.clone()]), 3, &["broken.json", "not what a shard"]);
    fs::write(&broken, part.replace("\"labelled\":[", "\"labelled\":[5,")).unwrap();
    says(&merge(&[small[0].clone(), broken]), 3, &["broken.json", "counts of pixels"]);
}

#[test]
fn wrong_usage_is_2() {
    let coco = ["coco", "--annotations", "a.json"];
    let cases: &[(&[&str], &str)] = &[
        (&["imagenet", "--list", "x", "--shard", "1/2"], "--partial"),
        (&["imagenet", "--list", "x", "--partial", "p.json"], "--shard"),
        (&["imagenet", "--list", "x", "--shard", "3/2", "--partial", "p.json"], "1 to 2"),
        (&["imagenet", "--list", "x", "--csv", "t.csv", "--shard", "1/2"], "cannot be used"),
        (&["camvid", "--annotations", "a", "--images", "b", "--shard", "x"], "I/N"),
        (&["merge"], "FILES"),
        (
            &["imagenet", "--folder", "F", "--shard", "1/2", "--partial", "no/such/p"],
            "no such folder",
        ),
    ];
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("n07920052")).unwrap();
    fs::copy(sample("coffee.jpg"), root.path().join("n07920052/coffee.jpg")).unwrap();
    let root = text(root.path());
    for (arguments, expected) in cases {
        let arguments: Vec<_> =
            arguments.iter().map(|word| if *word == "F" { root.as_str() } else { word }).collect();
        says(&evaluate(&arguments, &[]), 2, &[expected]);
    }
    let ready = ["--detections", "d.json", "--shard", "1/2", "--partial", "p.json"];
    says(&evaluate(&coco, &ready), 2, &["cannot be used"]);
    let help = evaluate(&["merge", "--help"], &[]);
    assert!(help.stdout.contains("--save-coco"), "{}", help.stdout);
}
