//! The parts by themselves, from inputs that are the same to the bit here and there.

use crate::fixture::Fixture;
use crate::inputs::{CELLS, check_detections, objects, raw_outputs};
use crate::weights::Weights;
use candle::{Device, Result, Tensor, Var};
use ghostnetv2::Config;
use heads::anchors::{AnchorConfig, LevelAnchors};
use heads::boxes::Detection;
use heads::nms::nms;
use heads::placement::{Batch, Placement};
use heads::retinanet::{BoxLoss, LossConfig, RawOutputs, RetinaNet, RetinaNetConfig};

/// A detector whose own weights do not matter.
fn detector(config: RetinaNetConfig) -> Result<RetinaNet> {
    let config = RetinaNetConfig { channels: 8, depth: 0, ..config };
    RetinaNet::ghostnet(&config, &Config::v2(0.25), Weights::new(&[]).var_builder())
}

/// One picture in a padded input of 64x96.
fn batch(placement: Placement) -> Result<Batch> {
    let pixels = Tensor::zeros((1, 3, 64, 96), candle::DType::F32, &Device::Cpu)?;
    Ok(Batch { pixels, placements: vec![placement] })
}

fn presets() -> [(&'static str, RetinaNetConfig); 2] {
    [("torchvision", RetinaNetConfig::torchvision()), ("mmdet", RetinaNetConfig::mmdet())]
}

#[test]
fn anchors() -> Result<()> {
    let fixture = Fixture::open("detection/parts");
    let anchors = [("torchvision", AnchorConfig::torchvision()), ("mmdet", AnchorConfig::mmdet())];
    for (name, config) in anchors {
        let levels = config.levels((64, 96), &CELLS)?;
        let anchors: Vec<_> = levels.iter().flat_map(LevelAnchors::iter).collect();
        let anchors = Tensor::from_slice(anchors.as_flattened(), (anchors.len(), 4), &Device::Cpu)?;
        fixture.check(&format!("{name}/anchors"), &anchors, 1e-6, 1e-5)?;
    }
    Ok(())
}

#[test]
fn detections_of_raw_outputs() -> Result<()> {
    let fixture = Fixture::open("detection/parts");
    let size = (60, 90);
    let placement = Placement { original: size, resized: size, padded: (64, 96) };
    for (name, config) in presets() {
        let raw = raw_outputs(config.classes, 4.0, -4.0, "detect");
        let found = detector(config)?.detections(&raw, &batch(placement)?)?;
        check_detections(&fixture, &format!("{name}/detections"), &found[0]);
    }
    Ok(())
}

fn check_losses(key: &str, config: RetinaNetConfig, empty: bool) -> Result<()> {
    let fixture = Fixture::open("detection/parts");
    let raw = raw_outputs(config.classes, 3.0, -3.0, "learn");
    let variables = |maps: &[Tensor]| maps.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>();
    let (logits, deltas) = (variables(&raw.logits)?, variables(&raw.deltas)?);
    let tensors = |vars: &[Var]| vars.iter().map(|var| var.as_tensor().clone()).collect();
    let raw = RawOutputs { logits: tensors(&logits), deltas: tensors(&deltas) };
    let placement = Placement { original: (70, 101), resized: (64, 96), padded: (64, 96) };
    let truths = if empty { Vec::new() } else { objects() };
    let losses = detector(config)?.loss(&raw, &batch(placement)?, &[truths])?;
    let gradients = losses.total()?.backward()?;

    let expected = fixture.numbers(&format!("{key}/losses"));
    for (loss, expected) in [&losses.classification, &losses.bbox].into_iter().zip(expected) {
        let loss = f64::from(loss.to_scalar::<f32>()?);
        assert!((loss - expected).abs() <= 1e-4 * expected, "{key}: {loss}, not {expected}");
    }
    for (what, variables) in [("logits", &logits), ("deltas", &deltas)] {
        for (level, variable) in variables.iter().enumerate() {
            let key = format!("{key}/{what}/{level}");
            let gradient = gradients.get(variable).unwrap_or_else(|| panic!("{key}: no gradient"));
            fixture.check(&key, gradient, 1e-4, 1e-4 * fixture.magnitude(&key))?;
        }
    }
    Ok(())
}

#[test]
fn losses_and_gradients_of_raw_outputs() -> Result<()> {
    for (name, config) in presets() {
        check_losses(&format!("{name}/l1"), config, false)?;
    }
    let config = RetinaNetConfig::torchvision();
    let loss = LossConfig { bbox: BoxLoss::Giou, ..config.loss };
    check_losses("torchvision/giou", RetinaNetConfig { loss, ..config }, false)
}

#[test]
fn losses_and_gradients_without_objects() -> Result<()> {
    for (name, config) in presets() {
        check_losses(&format!("{name}/l1/empty"), config, true)?;
    }
    let config = RetinaNetConfig::torchvision();
    let loss = LossConfig { bbox: BoxLoss::Giou, ..config.loss };
    check_losses("torchvision/giou/empty", RetinaNetConfig { loss, ..config }, true)
}

#[test]
fn survivors_of_suppression() -> Result<()> {
    let fixture = Fixture::open("detection/parts");
    let part = |part: &str| fixture.numbers(&format!("nms/{part}"));
    let (boxes, scores, classes) = (part("boxes"), part("scores"), part("classes"));
    let candidates = boxes.as_chunks::<4>().0.iter().zip(scores).zip(classes);
    let candidate = |((bbox, score), class): ((&[f64; 4], f64), f64)| Detection {
        bbox: bbox.map(|v| v as f32),
        class_id: class as u32,
        score: score as f32,
    };
    let candidates: Vec<_> = candidates.map(candidate).collect();
    for percent in [0, 20, 50, 80] {
        let expected: Vec<_> = part(&percent.to_string()).into_iter().map(|i| i as usize).collect();
        let threshold = f64::from(percent) / 100.0;
        assert_eq!(nms(&candidates, threshold, usize::MAX), expected, "threshold {threshold}");
        assert_eq!(nms(&candidates, threshold, 7), expected[..7]);
    }
    Ok(())
}
