//! A detector's plan says what candle says: every preset, odd sizes, any batch and threads.

use crate::equal::equal;
use crate::formula::plain;
use crate::weights::Weights;
use candle::{Result, Tensor};
use ghostnetv2::{Config, PlanOptions, Precision};
use heads::ConvKind;
use heads::placement::Batch;
use heads::retinanet::{HeadNorm, PostProcess, Preset, RawOutputs, RetinaNet, RetinaNetConfig};

/// Narrow ones, so that the tests are quick; group norms need whole groups.
fn detector(preset: Preset, width: f64) -> Result<RetinaNet> {
    let config = RetinaNetConfig { classes: 7, channels: 64, ..preset.config() };
    of_config(&config, &Config::v2(width))
}

fn of_config(config: &RetinaNetConfig, backbone: &Config) -> Result<RetinaNet> {
    // Boxes that are found, by more than one in a hundred.
    let exceptions = [("cls_logits.bias", 1.0, -2.0), ("retina_cls.bias", 1.0, -2.0)];
    RetinaNet::ghostnet(config, backbone, Weights::new(&exceptions).var_builder())
}

fn options(threads: usize) -> PlanOptions {
    PlanOptions::default().with_threads(threads)
}

fn all_equal(expected: &RawOutputs, found: &RawOutputs, what: &str) -> Result<()> {
    assert_eq!((found.logits.len(), found.deltas.len()), (5, 5));
    for (expected, found) in [(&expected.logits, &found.logits), (&expected.deltas, &found.deltas)]
    {
        for (level, (expected, found)) in expected.iter().zip(found).enumerate() {
            equal(expected, found, &format!("{what}, level {level}"))?;
        }
    }
    Ok(())
}

/// One plan for all shapes, so that most are laid out anew.
fn check(detector: &RetinaNet, what: &str) -> Result<()> {
    for threads in [1, 2] {
        let plan = detector.plan(&[1, 3, 64, 64], &options(threads))?;
        for shape in [(1, 3, 97, 161), (3, 3, 33, 47), (1, 3, 64, 64), (0, 3, 64, 64)] {
            let x = plain("input", shape)?;
            let what = format!("{what}, {threads} threads, {shape:?}");
            all_equal(&detector.forward_t(&x, false)?, &plan.forward(&x)?, &what)?;
        }
    }
    Ok(())
}

#[test]
fn every_preset_at_odd_sizes() -> Result<()> {
    for preset in Preset::ALL {
        check(&detector(preset, 0.5)?, preset.name())?;
    }
    Ok(())
}

#[test]
fn other_kinds_of_layers() -> Result<()> {
    let lite = RetinaNetConfig { classes: 2, channels: 32, ..RetinaNetConfig::lite() };
    for norm in [HeadNorm::None, HeadNorm::Group(8)] {
        let config = RetinaNetConfig { norm, ..lite.clone() };
        check(&of_config(&config, &Config::v1(0.25))?, &format!("separable, {norm:?}"))?;
    }
    let config = RetinaNetConfig { convolution: ConvKind::Dense, ..lite.clone() };
    check(&of_config(&config, &Config::v3(0.25))?, "dense, batch-norms for levels")?;
    let config = RetinaNetConfig { depth: 0, ..lite };
    check(&of_config(&config, &Config::v2(0.25))?, "no towers")
}

#[test]
fn at_its_own_width() -> Result<()> {
    let weights = Weights::new(&[]).var_builder();
    let detector = RetinaNet::ghostnet(&RetinaNetConfig::lite(), &Config::v2(1.0), weights)?;
    let x = plain("input", (1, 3, 128, 96))?;
    let plan = detector.plan(&[1, 3, 128, 96], &options(2))?;
    all_equal(&detector.forward_t(&x, false)?, &plan.forward(&x)?, "lite")
}

#[test]
fn the_same_bits_for_any_threads_and_batch_mates() -> Result<()> {
    let detector = detector(Preset::TorchvisionV2, 0.25)?;
    let bits = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let x = plain("input", (3, 3, 70, 101))?;
    let expected = detector.plan(&[3, 3, 70, 101], &options(1))?.forward(&x)?;
    let plan = detector.plan(&[3, 3, 70, 101], &options(2))?;
    for (expected, found) in expected.logits.iter().zip(&plan.forward(&x)?.logits) {
        assert_eq!(bits(expected)?, bits(found)?);
    }
    for picture in 0..3 {
        let alone = plan.forward(&x.narrow(0, picture, 1)?)?;
        for (expected, found) in expected.deltas.iter().zip(&alone.deltas) {
            assert_eq!(bits(&expected.get(picture)?)?, bits(&found.get(0)?)?);
        }
    }
    Ok(())
}

#[test]
fn detections_are_the_same() -> Result<()> {
    let detector = detector(Preset::Mmdet, 0.5)?;
    let batch = Batch::of_inputs(plain("input", (2, 3, 75, 90))?)?;
    let expected = detector.detect_batch(&batch)?;
    let found = detector.plan(&[2, 3, 75, 90], &options(2))?.detect_batch(&batch)?;
    for (expected, found) in expected.iter().zip(&found) {
        assert!(expected.len() == found.len() && expected.len() > 20, "{}", expected.len());
        for (expected, found) in expected.iter().zip(found) {
            assert!((expected.score - found.score).abs() < 1e-4);
        }
    }
    let nothing = Batch::of_inputs(plain("input", (0, 3, 75, 90))?)?;
    assert!(detector.plan(&[1, 3, 75, 90], &options(1))?.detect_batch(&nothing)?.is_empty());
    Ok(())
}

/// A plan writes only logits that may become detections; what comes of them is what comes of all.
#[test]
fn detections_are_those_of_its_raw_outputs() -> Result<()> {
    for preset in [Preset::Lite, Preset::Mmdet] {
        let net = detector(preset, 0.5)?;
        let batch = Batch::of_inputs(plain("input", (3, 3, 97, 140))?)?;
        for (score_threshold, candidates) in [(0.0, 50), (0.01, 1000), (0.02, 7), (1.0, 1000)] {
            let postprocess =
                PostProcess { score_threshold, candidates, ..net.config().postprocess };
            let config = RetinaNetConfig { postprocess, ..net.config().clone() };
            let net = of_config(&config, &Config::v2(0.5))?;
            for threads in [1, 2] {
                let plan = net.plan(&[3, 3, 97, 140], &options(threads))?;
                let expected = config.detections(&plan.forward(&batch.pixels)?, &batch)?;
                assert_eq!(plan.detect_batch(&batch)?, expected, "{preset}, {score_threshold}");
                assert_eq!(expected[0].is_empty(), score_threshold == 1.0);
            }
        }
    }
    Ok(())
}

#[test]
fn half_the_weights_say_nearly_the_same() -> Result<()> {
    let detector = detector(Preset::Lite, 0.5)?;
    let x = plain("input", (1, 3, 97, 64))?;
    let halves = options(1).with_precision(Precision::Bf16);
    let found = detector.plan(&[1, 3, 97, 64], &halves)?.forward(&x)?;
    let expected = detector.forward_t(&x, false)?;
    let largest = |t: Tensor| t.abs()?.max_all()?.to_scalar::<f32>();
    let off = largest((&expected.logits[0] - &found.logits[0])?)?;
    let scale = largest(expected.logits[0].clone())?;
    assert!(off > 0.0 && off < 0.05 * scale, "{off} of {scale}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let detector = detector(Preset::Lite, 0.25)?;
    let plan = detector.plan(&[1, 3, 64, 64], &options(1))?;
    for (error, expected) in [
        (detector.plan(&[1, 3, 32, 64], &options(1)).map(drop), "at least 33"),
        (plan.forward(&plain("input", (1, 3, 64, 20))?).map(drop), "at least 33"),
        (plan.forward(&plain("input", (1, 1, 64, 64))?).map(drop), "expected 3 channels"),
    ] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
    Ok(())
}
