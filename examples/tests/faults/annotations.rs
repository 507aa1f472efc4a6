//! Annotations that contradict themselves or their pictures: all that is wrong is said together,
//! before any work starts.

use crate::program::sample;
use crate::shop::Shop;
use serde_json::{Value, json};
use std::fs;

/// What reads annotations of objects, with the picture that they are about beside them.
const PROGRAMS: [&str; 3] = [
    "evaluate coco --annotations truth.json --detections found.json",
    "evaluate coco --annotations truth.json --images images --size 64",
    "train detect --data images --annotations truth.json --val-annotations truth.json --out run",
];

fn image() -> Value {
    json!({ "id": 3, "file_name": "coffee.jpg", "width": 600, "height": 400 })
}

fn cup() -> Value {
    json!({ "id": 47, "name": "cup" })
}

fn object() -> Value {
    json!({ "id": 1, "image_id": 3, "category_id": 47, "bbox": [170, 20, 240, 270] })
}

fn coco(images: &[Value], categories: &[Value], annotations: &[Value]) -> Value {
    json!({ "images": images, "categories": categories, "annotations": annotations })
}

/// A change of one field.
fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("images/coffee.jpg", fs::read(sample("coffee.jpg")).unwrap());
    shop.write("found.json", "[]");
    shop
}

fn refused_by_all(shop: &Shop, truth: impl AsRef<[u8]>, words: &[&str]) {
    shop.write("truth.json", truth);
    for program in PROGRAMS {
        shop.refuses(program, 3, &[&["truth.json"], words].concat());
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let bad = [
        with(object(), "id", json!(2)),
        with(with(object(), "id", json!(2)), "image_id", json!(9)),
        with(with(object(), "id", json!(4)), "category_id", json!(1)),
        with(with(object(), "id", json!(5)), "bbox", json!([1, 2, 0, 4])),
        with(with(object(), "id", json!(6)), "bbox", json!([1, 2, 3, -4])),
        with(with(object(), "id", json!(8)), "area", json!(-1)),
        with(with(object(), "id", json!(9)), "iscrowd", json!(2)),
    ];
    let images = [image(), image()];
    refused_by_all(
        &shop(),
        coco(&images, &[cup(), cup()], &bad).to_string(),
        &[
            "image 3 is there more than once",
            "category 47 is there more than once",
            "annotation 2 is there more than once",
            "annotation 2: image_id 9",
            "annotation 4: category_id 1",
            "annotation 5: bbox [1.0, 2.0, 0.0, 4.0]",
            "annotation 6: bbox",
            "annotation 8: area",
            "annotation 9: iscrowd 2",
        ],
    );
}

#[test]
fn numbers_that_are_none() {
    let text = coco(&[image()], &[cup()], &[object()]).to_string();
    for number in ["NaN", "Infinity", "1e999", "\"170\"", "null"] {
        refused_by_all(&shop(), text.replace("170", number), &[]);
    }
    refused_by_all(&shop(), text.replace("600", "0"), &["image 3: 0x400 pixels"]);
    refused_by_all(&shop(), text.replace("600", "-600"), &[]);
}

#[test]
fn files_that_are_no_annotations() {
    let deep = "[".repeat(100_000);
    for text in ["", "{", "[]", "null", "{\"images\": []}", "\u{0}\u{0}", &deep] {
        refused_by_all(&shop(), text, &["not COCO's annotations"]);
    }
    let shop = shop();
    for program in PROGRAMS {
        shop.refuses(program, 3, &["truth.json"]);
    }
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let shop = shop();
    let text = coco(&[image()], &[cup()], &[object()]).to_string();
    shop.write("truth.json", format!("\u{feff}{text}"));
    shop.run(PROGRAMS[0]).says(0, &[]);
}

#[test]
fn pictures_that_are_missing_damaged_or_of_another_size() {
    let shop = shop();
    let other =
        |id: u64, name: &str| with(with(image(), "id", json!(id)), "file_name", json!(name));
    let images = [image(), other(4, "a.jpg"), other(5, "b.jpg")];
    shop.write("truth.json", coco(&images, &[cup()], &[object()]).to_string());
    for program in &PROGRAMS[1..] {
        shop.refuses(program, 3, &["2 problems", "a.jpg", "b.jpg"]);
    }
    let larger = with(image(), "width", json!(601));
    shop.write("truth.json", coco(&[larger], &[cup()], &[object()]).to_string());
    for program in &PROGRAMS[1..] {
        shop.refuses(program, 3, &["coffee.jpg", "600x400", "601x400"]);
    }
    for outward in ["../secret.jpg", "/etc/hostname", ""] {
        let away = with(image(), "file_name", json!(outward));
        shop.write("truth.json", coco(&[away], &[cup()], &[object()]).to_string());
        for program in &PROGRAMS[1..] {
            shop.refuses(program, 3, &["image 3: file_name", "below the folder of pictures"]);
        }
    }
    shop.write("truth.json", coco(&[image()], &[cup()], &[object()]).to_string());
    shop.write("images/coffee.jpg", "no picture");
    shop.refuses(PROGRAMS[2], 3, &["1 problems", "coffee.jpg"]);
}

/// No boxes, groups, gaps between the numbers of categories and any order of them are no faults.
#[test]
fn annotations_that_are_unusual_but_right() {
    let shop = shop();
    fs::copy(shop.at("images/coffee.jpg"), shop.at("images/tea.jpg")).unwrap();
    let images = [image(), with(with(image(), "id", json!(4)), "file_name", json!("tea.jpg"))];
    let categories = [json!({ "id": 90, "name": "toothbrush" }), cup()];
    let crowd = with(with(object(), "id", json!(2)), "iscrowd", json!(1));
    for objects in [vec![], vec![object(), crowd.clone()], vec![crowd]] {
        shop.write("truth.json", coco(&images, &categories, &objects).to_string());
        for program in &PROGRAMS[..2] {
            shop.run(program).says(0, &[]);
        }
        let line = "train detect --data images --annotations truth.json --val-annotations \
                    truth.json --size 64 --epochs 1 --batch-size 2 --quiet --out";
        let out = format!("run-{}", objects.len());
        shop.run_with(line, [&out]).says(0, &[]);
        let metrics = fs::read_to_string(shop.at(out).join("metrics.jsonl")).unwrap();
        assert!(!metrics.contains("NaN") && !metrics.contains("null"), "{metrics}");
    }
}

#[test]
fn masks_that_do_not_fit_their_pictures() {
    let shop = shop();
    let mask = |width: u32, height: u32, label: u8| {
        let mut bytes = vec![];
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels = vec![label; (width * height) as usize];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        bytes
    };
    let program = "evaluate camvid --annotations labels --images images --size 64";
    for (bytes, words) in [
        (mask(600, 399, 3), "600x399"),
        (mask(600, 400, 77), "label 77"),
        (b"no picture".to_vec(), "coffee.png"),
    ] {
        shop.write("labels/coffee.png", bytes);
        shop.refuses(program, 3, &["coffee.png", words]);
    }
    shop.write("labels/coffee.png", mask(600, 400, 3));
    shop.run(program).says(0, &[]);
    shop.write("images/tea.jpg", fs::read(sample("coffee.jpg")).unwrap());
    shop.refuses(program, 3, &["1 problems", "tea.png: there is no such file"]);
}
