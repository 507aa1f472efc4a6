//! Whole networks: from a picture to logits and labels.

use crate::fixture::Fixture;
use crate::formula::plain;
use crate::weights::Weights;
use candle::{Device, Result};
use ghostnetv2::picture::Rgb8;
use ghostnetv2::{Config, PlanOptions};
use heads::placement::{Batch, InputConfig};
use heads::segmentation::{LabelMap, SemanticFpn, SemanticFpnConfig, Sliding};

pub(crate) const RTOL: f64 = 1e-3;
pub(crate) const ATOL: f64 = 1e-4;

/// The twin of `scripts/heads_fixtures/segmented.py`.
pub(crate) fn picture() -> Result<Rgb8> {
    let noise = plain("picture", (10, 14, 3))?.to_vec3::<f32>()?;
    let byte = |u: f32| ((u + 1.0) * 128.0).floor() as u8;
    let pixels = (0..140).flat_map(|y| (0..202).map(move |x| (y / 15, x / 15)));
    let pixels = pixels.flat_map(|(y, x)| (0..3).map(move |colour| (y, x, colour)));
    let bytes = pixels.map(|(y, x, colour)| byte(noise[y][x][colour])).collect();
    Ok(Rgb8::new(202, 140, bytes).unwrap())
}

/// Equal in all but one of ten thousand pixels.
pub(crate) fn check_labels(fixture: &Fixture, key: &str, found: &LabelMap) {
    assert_eq!(found.size(), (140, 202));
    let expected = fixture.numbers(key);
    let pairs = found.labels().iter().zip(&expected);
    let differ = pairs.filter(|&(&found, &expected)| f64::from(found) != expected).count();
    assert!(differ * 10_000 <= expected.len(), "{key}: {differ} pixels differ");
}

fn run(
    name: &str,
    config: &SemanticFpnConfig,
    width: f64,
) -> Result<(SemanticFpn, Batch, Fixture)> {
    let fixture = Fixture::open(&format!("segmentation/{name}"));
    let weights = Weights::new(&[]);
    let network = SemanticFpn::ghostnet(config, &Config::v2(width), weights.var_builder())?;
    let batch = config.input.batch(&[picture()?], &Device::Cpu)?;
    fixture.check("pixels", &batch.pixels, 1e-5, 1e-5)?;
    let (b, c, h, w) = batch.pixels.dims4()?;
    let plan = network.plan(&[b, c, h, w], &PlanOptions::default())?;
    for logits in [network.forward_t(&batch.pixels, false)?, plan.forward(&batch.pixels)?] {
        fixture.check("quarter", &logits, RTOL, ATOL)?;
        check_labels(&fixture, "labels", &network.label_maps(&logits, &batch)?[0]);
    }
    Ok((network, batch, fixture))
}

#[test]
fn mmseg() -> Result<()> {
    let preset = SemanticFpnConfig::mmseg();
    let input = InputConfig { short_side: 96, long_side: 384, ..preset.input };
    let (classes, pyramid_channels, channels) = (40, 32, 16);
    let config = SemanticFpnConfig { classes, pyramid_channels, channels, input, ..preset };
    let (network, batch, fixture) = run("mmseg", &config, 0.25)?;
    let sliding = Sliding { window: (64, 96), step: (40, 56) };
    check_labels(&fixture, "sliding", &network.segment_sliding(&batch, sliding)?[0]);
    let plan = network.plan(&[1, 3, 64, 96], &PlanOptions::default())?;
    check_labels(&fixture, "sliding", &plan.segment_sliding(&batch, sliding)?[0]);
    Ok(())
}

#[test]
fn smp() -> Result<()> {
    let preset = SemanticFpnConfig::smp();
    let config = SemanticFpnConfig {
        classes: 40,
        input: InputConfig { short_side: 64, ..preset.input },
        ..preset
    };
    run("smp", &config, 1.0)?;
    Ok(())
}

#[test]
fn one_window_is_the_whole() -> Result<()> {
    let preset = SemanticFpnConfig::lite();
    let config = SemanticFpnConfig {
        classes: 9,
        channels: 16,
        input: InputConfig { short_side: 64, ..preset.input },
        ..preset
    };
    let weights = Weights::new(&[]);
    let network = SemanticFpn::ghostnet(&config, &Config::v2(0.25), weights.var_builder())?;
    let batch = config.input.batch(&[picture()?, picture()?], &Device::Cpu)?;
    let whole = network.segment_batch(&batch)?;
    assert_eq!(whole[0], whole[1]);
    let window = batch.size()?;
    for sliding in [Sliding { window, step: window }, Sliding { window: (999, 999), step: (1, 1) }]
    {
        assert_eq!(network.segment_sliding(&batch, sliding)?, whole);
    }
    Ok(())
}
