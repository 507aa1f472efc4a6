//! DeepLabV3 against mmsegmentation's, its plan against candle, its names and what it refuses.

use crate::equal::equal;
use crate::fixture::Fixture;
use crate::formula::plain;
use crate::weights::Weights;
use crate::whole::{ATOL, RTOL, check_labels, picture};
use candle::{Device, Result, Tensor};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error, Level, PlanOptions, Pyramid, Taps};
use heads::deeplabv3::{DeepLabV3, DeepLabV3Config, Preset};
use heads::placement::{Batch, InputConfig};
use heads::segmentation::Sliding;
use std::collections::HashMap;

fn narrow(preset: Preset) -> DeepLabV3Config {
    DeepLabV3Config { classes: 40, channels: 16, ..preset.config() }
}

fn network(preset: Preset) -> Result<DeepLabV3> {
    DeepLabV3::ghostnet(&narrow(preset), &Config::v2(0.25), Weights::new(&[]).var_builder())
}

#[test]
fn from_a_picture_to_labels() -> Result<()> {
    for preset in Preset::ALL {
        let fixture = Fixture::open(&format!("segmentation/{preset}"));
        let config = narrow(preset);
        let input = InputConfig { short_side: 192, long_side: 768, ..config.input };
        let config = DeepLabV3Config { input, ..config };
        let weights = Weights::new(&[]).var_builder();
        let network = DeepLabV3::ghostnet(&config, &Config::v2(0.25), weights)?;
        let batch = config.input.batch(&[picture()?], &Device::Cpu)?;
        fixture.check("pixels", &batch.pixels, 1e-5, 1e-5)?;
        let (b, c, h, w) = batch.pixels.dims4()?;
        assert_eq!((h % 2, w % 2), (0, 1));
        let plan = network.plan(&[b, c, h, w], &PlanOptions::default())?;
        for logits in [network.forward_t(&batch.pixels, false)?, plan.forward(&batch.pixels)?] {
            fixture.check("logits", &logits, RTOL, ATOL)?;
            check_labels(&fixture, "labels", &config.label_maps(&logits, &batch)?[0]);
        }
        check_labels(&fixture, "labels", &plan.segment_batch(&batch)?[0]);
    }
    Ok(())
}

#[test]
fn plans_say_what_candle_says() -> Result<()> {
    for preset in Preset::ALL {
        let network = network(preset)?;
        for threads in [1, 2] {
            let options = PlanOptions::default().with_threads(threads);
            let plan = network.plan(&[1, 3, 64, 64], &options)?;
            for shape in [(1, 3, 97, 161), (3, 3, 33, 47), (1, 3, 64, 64), (0, 3, 64, 64)] {
                let x = plain("input", shape)?;
                let what = format!("{preset}, {threads} threads, {shape:?}");
                equal(&network.forward_t(&x, false)?, &plan.forward(&x)?, &what)?;
            }
        }
    }
    Ok(())
}

#[test]
fn one_window_is_the_whole() -> Result<()> {
    let network = network(Preset::D16)?;
    let plan = network.plan(&[2, 3, 66, 97], &PlanOptions::default())?;
    let batch = Batch::of_inputs(plain("input", (2, 3, 66, 97))?)?;
    let sliding = Sliding { window: (66, 97), step: (66, 97) };
    assert_eq!(network.segment_sliding(&batch, sliding)?, network.segment_batch(&batch)?);
    assert_eq!(plan.segment_sliding(&batch, sliding)?, plan.segment_batch(&batch)?);
    Ok(())
}

/// A checkpoint of a network, with more tensors and under other names.
fn saved(more: &[&str], name: impl Fn(&str) -> String) -> Result<(DeepLabV3, Checkpoint)> {
    let weights = Weights::new(&[]);
    let built = DeepLabV3::ghostnet(&narrow(Preset::D8), &Config::v2(0.25), weights.var_builder())?;
    let tensors = weights.tensors.lock().unwrap();
    let mut named: HashMap<_, _> = tensors.iter().map(|(key, t)| (name(key), t.clone())).collect();
    for key in more {
        named.insert((*key).into(), Tensor::new(&[1f32], &Device::Cpu)?);
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("network.safetensors");
    candle::safetensors::save(&named, &file)?;
    Ok((built, Checkpoint::from_bytes("network", std::fs::read(file)?, None).unwrap()))
}

#[test]
fn names_are_mmsegmentations() -> Result<()> {
    let (_, checkpoint) = saved(&[], str::to_owned)?;
    let names: Vec<_> = checkpoint.names().collect();
    for name in [
        "backbone.timm_model.conv_stem.weight",
        "decode_head.image_pool.1.conv.weight",
        "decode_head.image_pool.1.bn.running_mean",
        "decode_head.aspp_modules.0.conv.weight",
        "decode_head.aspp_modules.3.bn.weight",
        "decode_head.bottleneck.conv.weight",
        "decode_head.bottleneck.bn.running_var",
        "decode_head.conv_seg.bias",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(names.iter().all(|name| !name.contains("blocks.8")), "timm's last map is blocks.7");
    Ok(())
}

#[test]
fn an_auxiliary_head_is_passed_by_and_nothing_else() -> Result<()> {
    let auxiliary = ["auxiliary_head.convs.0.conv.weight", "auxiliary_head.conv_seg.bias"];
    let x = plain("input", (1, 3, 64, 64))?;
    let load = |checkpoint: &Checkpoint| {
        let config = DeepLabV3Config { classes: 99, ..narrow(Preset::D8) };
        let config = config.with_classes_of(checkpoint).unwrap();
        DeepLabV3::load(&config, &Config::v2(0.25), checkpoint, &Device::Cpu)
    };
    for joint in [".blocks.", ".blocks_"] {
        let (expected, checkpoint) = saved(&auxiliary, |name| name.replace(".blocks.", joint))?;
        let found = load(&checkpoint).unwrap();
        let off = (found.forward_t(&x, false)? - expected.forward_t(&x, false)?)?.abs()?;
        assert_eq!(off.max_all()?.to_scalar::<f32>()?, 0.0);
    }
    let rename = |name: &str| name.replace("image_pool", "image_mean");
    let (_, checkpoint) = saved(&auxiliary, rename)?;
    let Err(Error::Mismatch(mismatch)) = load(&checkpoint) else { panic!("loaded") };
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (5, 5), "{mismatch:?}");
    Ok(())
}

#[test]
fn other_backbones_are_refused() -> Result<()> {
    let config = narrow(Preset::D8);
    let build = |output_stride, levels: &[Level]| {
        let vb = Weights::new(&[]).var_builder();
        let backbone = Config { output_stride, ..Config::v2(0.25) };
        let pyramid = Pyramid::new(&backbone, Taps::StageEnds, levels, vb.clone())?;
        DeepLabV3::new(&config, pyramid, vb)
    };
    assert!(build(8, &[Level::C5]).is_ok());
    for (built, expected) in [
        (build(16, &[Level::C5]), "a map of stride 16: expected 8"),
        (build(8, &[Level::C4, Level::C5]), "2 maps: expected 1"),
        (build(8, &[]), "0 maps: expected 1"),
        (build(12, &[Level::C5]), "expected 8, 16 or 32"),
    ] {
        let text = built.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    Ok(())
}
