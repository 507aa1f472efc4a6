//! `train detect` and `train segment` on pictures of coloured rectangles.

use crate::program::{Ended, command, ended, run};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIDE: u32 = 64;

/// Where the rectangle of picture `i` is: left, top, right, bottom.
fn rectangle(i: u32) -> [u32; 4] {
    let (x, y) = (4 + i * 11 % 24, 4 + i * 7 % 20);
    [x, y, x + 24 + i % 3 * 4, y + 30]
}

fn inside(i: u32, pixel: u32) -> bool {
    let [x1, y1, x2, y2] = rectangle(i);
    (x1..x2).contains(&(pixel % SIDE)) && (y1..y2).contains(&(pixel / SIDE))
}

fn png(path: &Path, colour: png::ColorType, pixels: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), SIDE, SIDE);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

/// Yellow on blue, with noise that tells the pictures apart.
fn picture(path: &Path, i: u32) {
    let pixel = |pixel: u32| {
        let noise = (pixel.wrapping_mul(2_654_435_761 - 2 * i) >> 27) as u8;
        if inside(i, pixel) { [220 - noise, 200, noise] } else { [noise, 30, 160 + noise] }
    };
    png(path, png::ColorType::Rgb, &(0..SIDE * SIDE).flat_map(pixel).collect::<Vec<_>>());
}

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

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
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

fn complete(run: Ended) -> Ended {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run
}

/// Losses of all steps.
fn losses(out: &Path) -> Vec<f64> {
    let lines = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter_map(|row| row["loss"].as_f64()).collect()
}

fn must_fall(out: &Path) {
    let losses = losses(out);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.7 * first, "{losses:?}");
}

/// The bytes of a run's end, where a run that is killed after some checkpoints and resumed must
/// arrive too.
fn killed_and_resumed(arguments: &dyn Fn(&Path) -> Vec<String>, folder: &Path) {
    let (whole, stopped) = (folder.join("whole"), folder.join("stopped"));
    complete(run("train", arguments(&whole)));
    let last = stopped.join("last.safetensors");
    let mut started = command("train", folder).args(arguments(&stopped)).spawn().unwrap();
    let start = Instant::now();
    while !last.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "no checkpoint");
        assert!(started.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    started.kill().unwrap();
    started.wait().unwrap();
    let mut again = arguments(&stopped);
    again.push("--resume".into());
    let resumed = complete(run("train", &again));
    assert!(resumed.stderr.contains("resumed after"), "{}", resumed.stderr);
    assert!(fs::read(last).unwrap() == fs::read(whole.join("last.safetensors")).unwrap());
    let best = "best/model.safetensors";
    assert!(fs::read(stopped.join(best)).unwrap() == fs::read(whole.join(best)).unwrap());

    // Another rate is another run.
    again.extend(["--lr".to_owned(), "0.5".to_owned()]);
    let refused = run("train", &again);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("schedule.base: 0.001 in the checkpoint, now 0.5"),
        "{}",
        refused.stderr
    );
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
    killed_and_resumed(&|out| detect(folder.path(), out, &more), folder.path());
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

#[test]
fn a_killed_segmentation_network_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    masks(folder.path(), 4);
    let more = ["--epochs", "3", "--save-steps", "1"];
    killed_and_resumed(&|out| segment(folder.path(), out, &more), folder.path());
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
