//! Reading timm's `pretrained_cfg`.

use ghostnetv2::preprocess::{CropMode, Filter, Preprocess, PreprocessError};
use serde_json::{Value, json};

fn read(config: Value) -> Preprocess {
    Preprocess::from_timm(&config).expect("the configuration is sound")
}

#[test]
fn what_is_absent_is_timms_default() {
    let default = Preprocess::default();
    assert_eq!(read(json!({})), default);
    assert_eq!((default.height(), default.width()), (224, 224));
    assert_eq!(default.crop_pct(), 0.875);
    assert_eq!(default.crop_mode(), CropMode::Center);
    assert_eq!(default.interpolation(), Filter::Bicubic);
    assert_eq!(default.mean(), [0.485, 0.456, 0.406]);
    assert_eq!(default.std(), [0.229, 0.224, 0.225]);
    let falsy = json!({
        "input_size": null, "interpolation": "", "mean": [], "std": null,
        "crop_pct": 0, "crop_mode": "", "architecture": "ghostnetv2_100",
    });
    assert_eq!(read(falsy), default);
}

#[test]
fn test_sizes_are_not_used_as_in_timm() {
    let config = json!({
        "input_size": [3, 192, 192], "test_input_size": [3, 288, 288], "test_crop_pct": 1.0,
        "fixed_input_size": true,
    });
    let preprocess = read(config);
    assert_eq!((preprocess.height(), preprocess.crop_pct()), (192, 0.875));
}

#[test]
fn every_value_is_read() {
    let preprocess = read(json!({
        "input_size": [3, 97, 161], "interpolation": "lanczos", "crop_mode": "border",
        "crop_pct": 0.95, "mean": [0.5, 0.25, 0], "std": [1, 2, 3.5],
    }));
    assert_eq!((preprocess.height(), preprocess.width()), (97, 161));
    assert_eq!(preprocess.interpolation(), Filter::Lanczos);
    assert_eq!(preprocess.crop_mode(), CropMode::Border);
    assert_eq!(preprocess.crop_pct(), 0.95);
    assert_eq!(preprocess.mean(), [0.5, 0.25, 0.0]);
    assert_eq!(preprocess.std(), [1.0, 2.0, 3.5]);
    let larger = preprocess.with_size(128, 64).unwrap();
    assert_eq!((larger.height(), larger.width()), (128, 64));
    assert_eq!(larger.crop_pct(), 0.95);
}

#[test]
fn nonsense_is_refused_with_its_key() {
    for (key, value) in [
        ("input_size", json!([1, 224, 224])),
        ("input_size", json!([3, 224])),
        ("input_size", json!([3, 0, 224])),
        ("input_size", json!([3, 224.5, 224])),
        ("input_size", json!([3, 1_000_000, 224])),
        ("input_size", json!("224")),
        ("interpolation", json!("random")),
        ("interpolation", json!("area")),
        ("interpolation", json!(3)),
        ("crop_mode", json!("centre")),
        ("crop_pct", json!(-0.875)),
        ("crop_pct", json!("0.875")),
        ("crop_pct", json!(1e-12)),
        ("crop_pct", json!(225.0)),
        ("mean", json!([0.5])),
        ("mean", json!([0.5, 0.5, "0.5"])),
        ("mean", json!([0.5, 0.5, 1e300])),
        ("std", json!([0.2, 0.0, 0.2])),
        ("std", json!([0.2, -0.2, 0.2])),
        ("std", json!([0.2, 1e-60, 0.2])),
    ] {
        let error = Preprocess::from_timm(&json!({ key: value })).unwrap_err();
        let PreprocessError::Value { key: named, ref found, .. } = error else { panic!("{error}") };
        assert_eq!((named, found), (key, &value.to_string()), "{error}");
    }
}

#[test]
fn messages_say_what_to_do() {
    let error = Preprocess::from_timm(&json!({ "interpolation": "random" })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`interpolation` must be one of nearest, box, bilinear, hamming, bicubic, lanczos, \
         found \"random\"; correct it in the model's config.json"
    );
    let error = Preprocess::from_timm(&json!([1, 2])).unwrap_err();
    assert_eq!(error, PreprocessError::NotAnObject { found: "[1,2]".to_owned() });
    let long = Preprocess::from_timm(&json!({ "mean": vec![0.5; 100] })).unwrap_err();
    assert!(long.to_string().len() < 200, "{long}");
}

#[test]
fn names_and_values_go_together() {
    for filter in Filter::ALL {
        assert_eq!(Filter::from_name(filter.name()), Some(filter));
    }
    for mode in CropMode::ALL {
        assert_eq!(CropMode::from_name(mode.name()), Some(mode));
    }
}
