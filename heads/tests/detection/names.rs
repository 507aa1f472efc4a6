//! Checkpoints under every name that their weights have been given.

use crate::weights::Weights;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error};
use heads::retinanet::{Preset, RetinaNet, RetinaNetConfig};
use std::collections::HashMap;

fn config(preset: Preset) -> RetinaNetConfig {
    RetinaNetConfig { classes: 3, channels: 32, depth: 2, ..preset.config() }
}

/// A detector, and a checkpoint of it whose names are changed.
fn saved(preset: Preset, name: impl Fn(&str) -> String) -> Result<(RetinaNet, Checkpoint)> {
    let weights = Weights::new(&[]);
    let detector = RetinaNet::ghostnet(&config(preset), &Config::v2(0.25), weights.var_builder())?;
    let tensors = weights.tensors.lock().unwrap();
    let named: HashMap<_, _> = tensors.iter().map(|(key, t)| (name(key), t.clone())).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("detector.safetensors");
    candle::safetensors::save(&named, &file)?;
    let bytes = std::fs::read(file)?;
    Ok((detector, Checkpoint::from_bytes("detector.safetensors", bytes, None).unwrap()))
}

fn check_same(preset: Preset, name: impl Fn(&str) -> String) -> Result<()> {
    let (expected, checkpoint) = saved(preset, name)?;
    let config = config(preset).with_classes_of(&checkpoint).unwrap();
    let loaded = RetinaNet::load(&config, &Config::v2(0.25), &checkpoint, &Device::Cpu).unwrap();
    let x = Tensor::rand(-1f32, 1.0, (1, 3, 64, 64), &Device::Cpu)?;
    let (found, expected) = (loaded.forward_t(&x, false)?, expected.forward_t(&x, false)?);
    let maps = found.logits.iter().chain(&found.deltas);
    for (found, expected) in maps.zip(expected.logits.iter().chain(&expected.deltas)) {
        let off = (found - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert_eq!(off, 0.0);
    }
    Ok(())
}

fn timm(name: &str) -> String {
    name.replace(".blocks.", ".blocks_")
}

#[test]
fn timms_own_and_features_onlys() -> Result<()> {
    for preset in Preset::ALL {
        check_same(preset, str::to_owned)?;
        check_same(preset, timm)?;
    }
    Ok(())
}

#[test]
fn torchvisions_older_names() -> Result<()> {
    // `conv.0.0` and `conv.1.0` were `conv.0` and `conv.2` in a sequence with ReLUs.
    check_same(Preset::Torchvision, |name| {
        let mut name = timm(name);
        for i in (0..2).rev() {
            name = name.replace(&format!("_head.conv.{i}.0."), &format!("_head.conv.{}.", 2 * i));
        }
        for i in 0..3 {
            for blocks in ["inner_blocks", "layer_blocks"] {
                name = name.replace(&format!("{blocks}.{i}.0."), &format!("{blocks}.{i}."));
            }
        }
        name
    })
}

#[test]
fn some_names_of_each_preset() -> Result<()> {
    let expected: [(Preset, &[&str]); 3] = [
        (
            Preset::Torchvision,
            &[
                "backbone.body.conv_stem.weight",
                "backbone.fpn.inner_blocks.0.0.weight",
                "backbone.fpn.layer_blocks.2.0.bias",
                "backbone.fpn.extra_blocks.p6.weight",
                "head.classification_head.conv.1.0.bias",
                "head.classification_head.cls_logits.weight",
                "head.regression_head.bbox_reg.bias",
            ],
        ),
        (
            Preset::TorchvisionV2,
            &["head.regression_head.conv.0.0.weight", "head.regression_head.conv.0.1.bias"],
        ),
        (
            Preset::Mmdet,
            &[
                "backbone.timm_model.bn1.running_var",
                "neck.lateral_convs.2.conv.bias",
                "neck.fpn_convs.4.conv.weight",
                "bbox_head.cls_convs.1.conv.weight",
                "bbox_head.reg_convs.0.conv.bias",
                "bbox_head.retina_cls.weight",
                "bbox_head.retina_reg.bias",
            ],
        ),
    ];
    for (preset, names) in expected {
        let (_, checkpoint) = saved(preset, str::to_owned)?;
        let present: Vec<_> = checkpoint.names().collect();
        for name in names {
            assert!(present.contains(name), "{preset}: no {name}");
        }
    }
    Ok(())
}

#[test]
fn everything_that_does_not_fit_is_said_at_once() -> Result<()> {
    let rename = |name: &str| name.replace("bbox_reg", "box_reg");
    let (_, checkpoint) = saved(Preset::Torchvision, rename)?;
    let config = RetinaNetConfig { classes: 4, ..config(Preset::Torchvision) };
    let load = RetinaNet::load(&config, &Config::v2(0.25), &checkpoint, &Device::Cpu);
    let Err(Error::Mismatch(mismatch)) = load else { panic!("{load:?}") };
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (2, 2), "{mismatch:?}");
    let found = config.with_classes_of(&checkpoint).unwrap();
    assert_eq!(found.classes, 3);
    Ok(())
}

#[test]
fn classes_are_counted_by_the_anchors() -> Result<()> {
    let bias = Tensor::zeros(10, DType::F32, &Device::Cpu)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("odd.safetensors");
    candle::safetensors::save(&HashMap::from([("bbox_head.retina_cls.bias", bias)]), &file)?;
    let checkpoint = Checkpoint::open(&file, None).unwrap();
    let error = RetinaNetConfig::mmdet().with_classes_of(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("10 values") && error.contains("multiple of 9"), "{error}");
    Ok(())
}
