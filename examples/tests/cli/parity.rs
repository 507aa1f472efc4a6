//! `--tensor` and `--dump` against timm's numbers, through the program itself.

use crate::fixture::Fixture;
use crate::formula::{Formula, plain};
use crate::program::classify;
use candle::{Device, Result, Tensor};
use ghostnetv2::{Config, GhostNet};
use std::collections::HashMap;

#[test]
fn dumped_levels_and_logits_are_timms() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let formula = Formula::default();
    GhostNet::new(&Config::v2(0.75), 10, formula.var_builder())?;
    let weights: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    candle::safetensors::save(&weights, at("w.safetensors"))?;
    let input = HashMap::from([("input", plain("input", (2, 3, 33, 47))?)]);
    candle::safetensors::save(&input, at("x.safetensors"))?;

    let fixture = Fixture::open("ghostnetv2_075");
    for taps in ["timm", "stage-ends"] {
        let run = classify([
            "--weights",
            &at("w.safetensors"),
            "--which",
            "ghostnetv2_075",
            "--taps",
            taps,
            "--tensor",
            &at("x.safetensors"),
            "--dump",
            &at("y.safetensors"),
        ]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let dump = candle::safetensors::load(at("y.safetensors"), &Device::Cpu)?;
        fixture.check("logits/33x47", &dump["logits"], 1e-3, 1e-4)?;
        for level in ["c1", "c2", "c3", "c4", "c5"] {
            fixture.check(&format!("{taps}/33x47/{level}"), &dump[level], 1e-3, 1e-4)?;
        }
        let same = dump["input"].eq(&input["input"])?.min_all()?.to_scalar::<u8>()?;
        assert_eq!((dump.len(), same), (7, 1));
    }
    Ok(())
}

#[test]
fn a_folder_of_mindspores_computes_as_mindspore_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (name, formula) = ("mindspore_ghostnetv2_090", Formula::default());
    GhostNet::new(&Config::from_name(name).unwrap(), 10, formula.var_builder())?;
    let weights: HashMap<_, _> = formula.tensors.lock().unwrap().clone().into_iter().collect();
    candle::safetensors::save(&weights, at("model.safetensors"))?;
    let config = format!(r#"{{"architecture": "{name}", "num_classes": 10}}"#);
    std::fs::write(at("config.json"), config)?;
    let input = HashMap::from([("input", plain("input", (2, 3, 33, 47))?)]);
    candle::safetensors::save(&input, at("x.safetensors"))?;
    let arguments = ["--model", &at(""), "--tensor", &at("x.safetensors")];
    let run = classify(arguments.into_iter().chain(["--dump", &at("y.safetensors")]));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let dump = candle::safetensors::load(at("y.safetensors"), &Device::Cpu)?;
    Fixture::open(name).check("logits/33x47", &dump["logits"], 1e-3, 1e-4)
}

#[test]
fn tensors_that_are_no_input() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("x.safetensors").display().to_string();
    for (name, shape, expected) in [
        ("image", vec![1, 3, 64, 64], "found image"),
        ("input", vec![3, 64, 64], "expected shape [B, 3, H, W]"),
        ("input", vec![1, 1, 64, 64], "found [1, 1, 64, 64]"),
        ("input", vec![1, 3, 32, 64], "at least 33"),
    ] {
        let tensors = HashMap::from([(name, plain("input", shape)?)]);
        candle::safetensors::save(&tensors, &file)?;
        let run = classify(["--tensor", &file]);
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    let nan = HashMap::from([("input", Tensor::full(f32::NAN, (1, 3, 64, 64), &Device::Cpu)?)]);
    candle::safetensors::save(&nan, &file)?;
    assert_eq!(classify(["--tensor", &file]).code, 3);
    let empty = HashMap::from([("input", plain("input", (0, 3, 64, 64))?)]);
    candle::safetensors::save(&empty, &file)?;
    let run = classify(["--tensor", &file, "--format", "json"]);
    assert_eq!((run.code, run.stdout.trim()), (0, "[]"), "{}", run.stderr);
    Ok(())
}
