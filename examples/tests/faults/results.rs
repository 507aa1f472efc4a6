//! Results: where they can't be written, what is scored when there is nothing to score, and what
//! must not depend on anything else.

use crate::program::{ended, sample};
use crate::shop::Shop;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::process::Stdio;

fn shop() -> Shop {
    let shop = Shop::new();
    for name in ["coffee.jpg", "rocket.jpg", "camera.png"] {
        fs::copy(sample(name), shop.at(name)).unwrap();
    }
    shop
}

/// Annotations of one cup in one picture, and a list of detections.
fn scored(shop: &Shop, annotations: Value, detections: &Value) -> crate::program::Ended {
    let truth = json!({
        "images": [{ "id": 1, "file_name": "coffee.jpg", "width": 600, "height": 400 }],
        "categories": [{ "id": 47, "name": "cup" }], "annotations": annotations,
    });
    shop.write("truth.json", truth.to_string());
    shop.write("found.json", detections.to_string());
    let line = "evaluate coco --annotations truth.json --detections found.json --format json";
    shop.run(line)
}

fn cup() -> Value {
    json!([{ "id": 1, "image_id": 1, "category_id": 47, "bbox": [10, 10, 50, 50] }])
}

fn found(score: f64) -> Value {
    json!({ "image_id": 1, "category_id": 47, "bbox": [10, 10, 50, 50], "score": score })
}

#[test]
fn scores_of_nothing() {
    let shop = shop();
    let ap = |run: crate::program::Ended| {
        assert_eq!(run.code, 0, "{}", run.stderr);
        serde_json::from_str::<Value>(&run.stdout).unwrap()["ap"].as_f64().unwrap()
    };
    assert_eq!(ap(scored(&shop, cup(), &json!([found(0.5)]))), 1.0);
    assert_eq!(ap(scored(&shop, cup(), &json!([]))), 0.0);
    assert_eq!(ap(scored(&shop, json!([]), &json!([found(0.5)]))), -1.0);
    let mut crowd = cup();
    crowd[0]["iscrowd"] = json!(1);
    assert_eq!(ap(scored(&shop, crowd, &json!([found(0.5)]))), -1.0);
}

#[test]
fn detections_that_make_no_sense_are_said_together() {
    let shop = shop();
    let of = |field: &str, value: Value| {
        let mut wrong = found(0.5);
        wrong[field] = value;
        wrong
    };
    let wrong = json!([
        of("image_id", json!(2)),
        of("category_id", json!(1)),
        of("bbox", json!([1, 1, -1, 1])),
        found(0.5),
    ]);
    let run = scored(&shop, cup(), &wrong);
    run.says(3, &["found.json", "3 problems", "image_id 2", "category_id 1", "result 2: bbox"]);
    let text = json!([found(0.5)]).to_string();
    for number in ["NaN", "1e999", "\"0.5\"", "null"] {
        shop.write("found.json", text.replace("0.5", number));
        let line = "evaluate coco --annotations truth.json --detections found.json";
        shop.refuses(line, 3, &["found.json"]);
    }
}

#[test]
fn more_detections_than_are_counted_are_said() {
    let shop = shop();
    let many: Vec<_> = (0..101).map(|i| found(f64::from(i) / 200.0)).collect();
    scored(&shop, cup(), &json!(many)).says(0, &["more than 100 detections"]);
    let hundred = scored(&shop, cup(), &json!(many[..100]));
    assert_eq!((hundred.code, hundred.stderr.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_5() {
    let shop = shop();
    let line = "classify coffee.jpg --format jsonl";
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = shop.command(line);
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    ended(output).says(5, &["can't write"]);

    // As on a disk with no room for the file, where it may be begun.
    for (program, name) in [
        ("classify coffee.jpg --dump out.safetensors", "out.safetensors"),
        ("detect coffee.jpg --size 64 --out out", "out"),
        ("segment coffee.jpg --size 64 --out out", "out"),
    ] {
        let before = shop.files();
        let run = shop.run_with_small_files(program, 4096);
        run.says(5, &[name]);
        let written = shop.files();
        for (path, content) in written {
            let known = before.get(&path).is_some_and(|old| *old == content);
            assert!(known || path.is_dir(), "{program} left {}", path.display());
        }
        let _ = fs::remove_dir_all(shop.at("out"));
    }
}

#[test]
fn places_that_can_not_be_written() {
    let shop = shop();
    shop.write("file", "not a folder");
    for (line, code) in [
        ("classify coffee.jpg --dump no/such/out.safetensors", 2),
        ("classify coffee.jpg --dump file/out.safetensors", 2),
        ("detect coffee.jpg --size 64 --out file", 5),
        ("segment coffee.jpg --size 64 --out file/below", 5),
        ("detect coffee.jpg --size 64 --save-coco no/such/coco.json", 2),
    ] {
        shop.refuses(
            line,
            code,
            &[line.split(' ').next_back().unwrap().split('/').next().unwrap()],
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = shop();
    let mut command =
        shop.command("classify --quiet --format jsonl coffee.jpg rocket.jpg camera.png");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let run = ended(child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

/// A picture's result is its own: other pictures of its batch, threads and the order do not matter.
#[test]
fn company_does_not_change_a_result() {
    let shop = shop();
    for program in ["classify --format jsonl", "segment --format jsonl --size 96"] {
        let alone: Vec<_> = ["coffee.jpg", "rocket.jpg", "camera.png"]
            .iter()
            .map(|name| shop.run_with(program, [name]).stdout)
            .collect();
        for more in [["--batch=3", "--threads=1"], ["--batch=2", "--threads=2"]] {
            let all = ["coffee.jpg", "rocket.jpg", "camera.png"];
            let run = shop.run_with(program, more.iter().chain(&all));
            assert_eq!(run.stdout, alone.concat(), "{program} {more:?}");
            let back = ["camera.png", "rocket.jpg", "coffee.jpg"];
            let run = shop.run_with(program, more.iter().chain(&back));
            let reversed: String = alone.iter().rev().map(String::as_str).collect();
            assert_eq!(run.stdout, reversed, "{program} {more:?}");
        }
    }
}
