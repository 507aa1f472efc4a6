//! Checkpoints under the names of each preset.

use crate::weights::Weights;
use candle::{Device, Result, Tensor};
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, Error};
use heads::segmentation::{Preset, SemanticFpn, SemanticFpnConfig};
use std::collections::HashMap;

fn config(preset: Preset) -> SemanticFpnConfig {
    SemanticFpnConfig { classes: 5, pyramid_channels: 16, channels: 32, ..preset.config() }
}

/// A network, and a checkpoint of it whose names are changed.
fn saved(preset: Preset, name: impl Fn(&str) -> String) -> Result<(SemanticFpn, Checkpoint)> {
    let weights = Weights::new(&[]);
    let network = SemanticFpn::ghostnet(&config(preset), &Config::v2(0.25), weights.var_builder())?;
    let tensors = weights.tensors.lock().unwrap();
    let named: HashMap<_, _> = tensors.iter().map(|(key, t)| (name(key), t.clone())).collect();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("network.safetensors");
    candle::safetensors::save(&named, &file)?;
    Ok((network, Checkpoint::from_bytes("network", std::fs::read(file)?, None).unwrap()))
}

#[test]
fn timms_own_and_features_onlys() -> Result<()> {
    let x = Tensor::rand(-1f32, 1.0, (1, 3, 64, 64), &Device::Cpu)?;
    for preset in Preset::ALL {
        for joint in [".blocks.", ".blocks_"] {
            let (expected, checkpoint) = saved(preset, |name| name.replace(".blocks.", joint))?;
            let config = SemanticFpnConfig { classes: 99, ..config(preset) };
            let config = config.with_classes_of(&checkpoint).unwrap();
            let backbone = Config::v2(0.25);
            let loaded = SemanticFpn::load(&config, &backbone, &checkpoint, &Device::Cpu).unwrap();
            let off = (loaded.forward_t(&x, false)? - expected.forward_t(&x, false)?)?;
            assert_eq!(off.abs()?.max_all()?.to_scalar::<f32>()?, 0.0, "{preset}");
        }
    }
    Ok(())
}

#[test]
fn some_names_of_each_preset() -> Result<()> {
    let expected: [(Preset, &[&str]); 2] = [
        (
            Preset::Mmseg,
            &[
                "backbone.timm_model.conv_stem.weight",
                "neck.lateral_convs.3.conv.bias",
                "neck.fpn_convs.0.conv.weight",
                "decode_head.scale_heads.0.0.conv.weight",
                "decode_head.scale_heads.3.4.bn.running_var",
                "decode_head.conv_seg.bias",
            ],
        ),
        (
            Preset::Smp,
            &[
                "encoder.model.bn1.weight",
                "decoder.p5.weight",
                "decoder.p2.skip_conv.bias",
                "decoder.seg_blocks.0.block.2.block.0.weight",
                "decoder.seg_blocks.3.block.0.block.1.bias",
                "segmentation_head.0.weight",
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
    let rename = |name: &str| name.replace("scale_heads.2", "heads.2");
    let (_, checkpoint) = saved(Preset::Mmseg, rename)?;
    let config = config(Preset::Mmseg);
    let load = SemanticFpn::load(&config, &Config::v2(0.25), &checkpoint, &Device::Cpu);
    let Err(Error::Mismatch(mismatch)) = load else { panic!("{load:?}") };
    // Two convolutions with batch-norms of four tensors each.
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (10, 10), "{mismatch:?}");
    Ok(())
}
