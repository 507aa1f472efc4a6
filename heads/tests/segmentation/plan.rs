//! A Semantic FPN's plan says what candle says: every preset, odd sizes, any batch and threads.

use crate::equal::equal;
use crate::formula::plain;
use crate::weights::Weights;
use candle::Result;
use ghostnetv2::{Config, PlanOptions, Precision};
use heads::placement::Batch;
use heads::segmentation::{Preset, SemanticFpn, SemanticFpnConfig, Sliding};

fn network(preset: Preset, width: f64) -> Result<SemanticFpn> {
    let preset = preset.config();
    let config = SemanticFpnConfig { classes: 11, pyramid_channels: 48, channels: 32, ..preset };
    SemanticFpn::ghostnet(&config, &Config::v2(width), Weights::new(&[]).var_builder())
}

fn options(threads: usize) -> PlanOptions {
    PlanOptions::default().with_threads(threads)
}

#[test]
fn every_preset_at_odd_sizes() -> Result<()> {
    for preset in Preset::ALL {
        let network = network(preset, 0.5)?;
        for threads in [1, 2] {
            // One plan for all shapes, so that most are laid out anew.
            let plan = network.plan(&[1, 3, 64, 64], &options(threads))?;
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
fn at_its_own_width() -> Result<()> {
    let weights = Weights::new(&[]).var_builder();
    let network = SemanticFpn::ghostnet(&SemanticFpnConfig::lite(), &Config::v2(1.0), weights)?;
    let x = plain("input", (1, 3, 128, 96))?;
    let plan = network.plan(&[1, 3, 128, 96], &options(2))?;
    equal(&network.forward_t(&x, false)?, &plan.forward(&x)?, "lite")
}

#[test]
fn labels_are_the_same_whole_and_in_windows() -> Result<()> {
    let network = network(Preset::Lite, 0.5)?;
    let plan = network.plan(&[2, 3, 96, 130], &options(2))?;
    let batch = Batch::of_inputs(plain("input", (2, 3, 96, 130))?)?;
    let sliding = Sliding { window: (64, 64), step: (32, 43) };
    for (expected, found) in [
        (network.segment_batch(&batch)?, plan.segment_batch(&batch)?),
        (network.segment_sliding(&batch, sliding)?, plan.segment_sliding(&batch, sliding)?),
    ] {
        for (expected, found) in expected.iter().zip(&found) {
            let pairs = expected.labels().iter().zip(found.labels());
            let differ = pairs.filter(|(expected, found)| expected != found).count();
            assert!(differ * 1000 <= found.labels().len(), "{differ} pixels differ");
        }
    }
    Ok(())
}

#[test]
fn half_the_weights_say_nearly_the_same() -> Result<()> {
    let network = network(Preset::Lite, 0.5)?;
    let x = plain("input", (1, 3, 97, 64))?;
    let halves = options(1).with_precision(Precision::Bf16);
    let found = network.plan(&[1, 3, 97, 64], &halves)?.forward(&x)?;
    let expected = network.forward_t(&x, false)?;
    let off = (&expected - &found)?.abs()?.max_all()?.to_scalar::<f32>()?;
    let scale = expected.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(off > 0.0 && off < 0.05 * scale, "{off} of {scale}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let network = network(Preset::Smp, 0.25)?;
    let plan = network.plan(&[1, 3, 64, 64], &options(1))?;
    for (error, expected) in [
        (network.plan(&[1, 3, 32, 64], &options(1)).map(drop), "at least 33"),
        (plan.forward(&plain("input", (1, 1, 64, 64))?).map(drop), "expected 3 channels"),
    ] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    Ok(())
}
