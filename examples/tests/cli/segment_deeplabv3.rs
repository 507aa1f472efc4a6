//! `segment`, `evaluate folders` and `bench` with a DeepLabV3 of mmsegmentation's layout.

use crate::formula::{Formula, plain};
use crate::program::{Ended, run, sample};
use candle::{Device, Result, Tensor};
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config};
use heads::placement::Batch;
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

/// A network of four classes with weights of a formula, and these in a file of a folder, beside
/// those of an auxiliary head.
fn network(folder: &Path, preset: DeepLabV3Config) -> Result<(DeepLabV3, String)> {
    let formula = Formula::default();
    let config = DeepLabV3Config { classes: 4, ..preset };
    let net = DeepLabV3::ghostnet(&config, &ghostnetv2::Config::v2(0.25), formula.var_builder())?;
    let mut tensors: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    let auxiliary = Tensor::zeros((4, 16, 1, 1), candle::DType::F32, &Device::Cpu)?;
    tensors.insert("auxiliary_head.conv_seg.weight".into(), auxiliary);
    let file = folder.join("model.safetensors");
    candle::safetensors::save(&tensors, &file)?;
    Ok((net, text(file)))
}

#[test]
fn the_program_says_what_the_library_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| text(folder.path().join(name));
    let (net, weights) = network(folder.path(), DeepLabV3Config::mmseg())?;
    let input = plain("input", (2, 3, 70, 96))?;
    candle::safetensors::save(&HashMap::from([("input", input.clone())]), at("x.safetensors"))?;
    let logits = net.forward_t(&input, false)?;
    let expected = net.config().label_maps(&logits, &Batch::of_inputs(input)?)?;

    let (x, y) = (at("x.safetensors"), at("y.safetensors"));
    let network = ["--weights", &weights, "--which", "ghostnetv2_025", "--preset", "deeplabv3"];
    for backend in ["plan", "candle"] {
        let given = ["--backend", backend, "--tensor", &x, "--dump", &y, "--format", "json"];
        let run = run("segment", network.iter().chain(&given));
        says(&run, 0, &["deeplabv3 (deeplabv3) on ghostnetv2_025, 4 classes"]);
        let found: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(found.len(), 2);
        for (found, expected) in found.iter().zip(&expected) {
            let counts = expected.counts(4);
            for class in found["classes"].as_array().unwrap() {
                let count = counts[class["class_id"].as_u64().unwrap() as usize];
                assert!(class["pixels"].as_u64().unwrap().abs_diff(count) <= 3, "{backend}");
            }
        }
        let dump = candle::safetensors::load(&y, &Device::Cpu)?;
        assert_eq!(dump["logits"].dims(), [2, 4, 9, 12]);
        let off = (&dump["logits"] - &logits)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(off < 1e-3, "{backend}: {off}");
    }
    Ok(())
}

#[test]
fn what_it_says_is_scored() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    network(folder.path(), DeepLabV3Config::mmseg_d16())?;
    let told = json!({
        "architecture": "ghostnetv2_025", "num_classes": 4,
        "label_names": ["sky", "sea", "sand", "stone"],
        "head": { "type": "deeplabv3", "preset": "deeplabv3-d16", "size": 64 },
    });
    fs::write(at("config.json"), told.to_string())?;
    fs::create_dir(at("images"))?;
    fs::copy(sample("coffee.jpg"), at("images/coffee.jpg"))?;
    let (model, images, masks) = (text(folder.path()), text(at("images")), text(at("masks")));
    let named = run("segment", ["--model", &model, "--out", &masks, "--format", "json", &images]);
    says(&named, 0, &["deeplabv3 (deeplabv3-d16) on ghostnetv2_025, 4 classes"]);
    let found: Vec<Value> = serde_json::from_str(&named.stdout).unwrap();
    let label = found[0]["classes"][0]["label"].as_str().unwrap();
    assert!(["sky", "sea", "sand", "stone"].contains(&label), "{label}");

    let truth = ["folders", "--annotations", &masks, "--images", &images, "--model", &model];
    let score = run("evaluate", truth.iter().chain(&["--format", "json"]));
    assert_eq!(score.code, 0, "{}", score.stderr);
    let score: Value = serde_json::from_str(&score.stdout).unwrap();
    assert_eq!((&score["pixel_accuracy"], &score["miou_of_present"]), (&json!(1.0), &json!(1.0)));

    let windows = ["--model", &model, "--window", "64x96", "--format", "json", &images];
    let slid: Vec<Value> = serde_json::from_str(&run("segment", windows).stdout).unwrap();
    assert_eq!(slid, found, "one window that is the whole input");
    Ok(())
}

#[test]
fn files_of_other_networks_say_what_is_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, weights) = network(folder.path(), DeepLabV3Config::mmseg_d16())?;
    let coffee = text(sample("coffee.jpg"));
    let named = ["--weights", &weights, "--which", "ghostnetv2_025", "--preset", "mmseg", &coffee];
    let parts = ["missing", "neck.lateral_convs", "unexpected", "decode_head.bottleneck.conv"];
    says(&run("segment", named), 3, &parts);
    let training = ["segment", "--preset", "deeplabv3", "--data", &coffee, "--out", "x"];
    says(&run("train", training), 2, &["unknown preset", "mmseg, smp or lite"]);
    Ok(())
}

#[test]
fn untrained_and_timed() {
    let coffee = text(sample("coffee.jpg"));
    let small = ["--preset", "deeplabv3-d16", "--size", "64", "--timing", &coffee];
    let untrained = run("segment", small);
    let parts = ["deeplabv3 (deeplabv3-d16) on", "150 classes", "not trained", "labelling"];
    says(&untrained, 0, &parts);
    for more in [&[][..], &["--postprocess"], &["--backend", "candle", "--postprocess"]] {
        let small = ["--which", "deeplabv3-d16", "--size", "64", "--seconds", "0"];
        let run = run("bench", small.iter().chain(more));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let row: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(row["model"], "deeplabv3-d16");
    }
}
