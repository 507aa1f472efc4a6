//! RandAugment's operations on colours are Pillow's, byte for byte: a fixture by
//! `scripts/make_augment_fixture.py`.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use ghostnetv2::picture::Rgb8;
use safetensors::SafeTensors;
use std::path::Path;
use train::classify::augment::Op;

/// The picture of a name, by the script's formula.
fn picture(name: &str) -> Rgb8 {
    let wide = (0..17 * 21 * 3).map(|i| (7 * i + 31 * (i / 97)) % 251);
    let value = |v: usize| if name == "narrow" { 90 + v % 60 } else { v };
    Rgb8::new(21, 17, wide.map(|v| value(v) as u8).collect()).unwrap()
}

fn operation(text: &str) -> Op {
    let (name, number) = text.split_once(' ').unwrap_or((text, "0"));
    let whole = || number.parse::<u16>().unwrap();
    let factor = || number.parse::<f32>().unwrap();
    match name {
        "auto-contrast" => Op::AutoContrast,
        "equalize" => Op::Equalize,
        "invert" => Op::Invert,
        "posterize" => Op::Posterize(whole() as u8),
        "solarize" => Op::Solarize(whole()),
        "solarize-add" => Op::SolarizeAdd(whole() as u8),
        "brightness" => Op::Brightness(factor()),
        "contrast" => Op::Contrast(factor()),
        "color" => Op::Colour(factor()),
        "sharpness" => Op::Sharpness(factor()),
        other => panic!("{other}"),
    }
}

#[test]
fn colours_are_pillows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/augment.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (name, expected) in SafeTensors::deserialize(&bytes).unwrap().iter() {
        let (of, text) = name.split_once('/').unwrap();
        let found = operation(text).apply(&picture(of)).unwrap();
        let differ = found.pixels().iter().zip(expected.data()).filter(|(a, b)| a != b).count();
        if differ > 0 {
            wrong.push(format!("{name}: {differ} bytes"));
        }
        seen += 1;
    }
    assert!(seen == 66 && wrong.is_empty(), "of {seen}: {wrong:#?}");
}
