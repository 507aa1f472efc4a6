//! Inputs and outputs that no sound network and no sound data set give.

use crate::inputs::{CELLS, raw_outputs};
use crate::weights::Weights;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::Config;
use heads::placement::{Batch, Placement};
use heads::retinanet::{GroundTruth, Preset, RawOutputs, RetinaNet, RetinaNetConfig};

fn detector(preset: Preset) -> Result<RetinaNet> {
    let preset = preset.config();
    let config = RetinaNetConfig { classes: 2, channels: 32, depth: 1, ..preset };
    RetinaNet::ghostnet(&config, &Config::v2(0.25), Weights::new(&[]).var_builder())
}

fn batch() -> Result<Batch> {
    Batch::of_inputs(Tensor::zeros((1, 3, 64, 96), DType::F32, &Device::Cpu)?)
}

/// Raw outputs of which all are one number.
fn uniform(logit: f32, delta: f32) -> Result<RawOutputs> {
    let map = |value, channels| {
        let full = |(h, w)| Tensor::full(value, (1, channels, h, w), &Device::Cpu);
        CELLS.into_iter().map(full).collect::<Result<_>>()
    };
    Ok(RawOutputs { logits: map(logit, 18)?, deltas: map(delta, 36)? })
}

#[test]
fn nothing_is_found_in_what_is_no_number() -> Result<()> {
    for preset in Preset::ALL {
        let (detector, batch) = (detector(preset)?, batch()?);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for raw in [uniform(odd, odd)?, uniform(1.0, f32::NAN)?] {
                assert!(detector.detections(&raw, &batch)?[0].is_empty(), "{preset}, {odd}");
            }
        }
        // Shapes may grow without bounds: they stay within the picture all the same.
        for found in &detector.detections(&uniform(1.0, 1e30)?, &batch)?[0] {
            assert!(found.bbox.iter().all(|side| (0.0..=96.0).contains(side)));
        }
    }
    Ok(())
}

#[test]
fn every_preset_takes_any_size_and_batches_of_two() -> Result<()> {
    for preset in Preset::ALL {
        let detector = detector(preset)?;
        for (h, w) in [(33, 47), (64, 64), (96, 70)] {
            let x = Tensor::rand(-1f32, 1.0, (2, 3, h, w), &Device::Cpu)?;
            let raw = detector.forward_t(&x, false)?;
            assert_eq!(raw.cells()?[0], (h.div_ceil(8), w.div_ceil(8)));
            assert_eq!(raw.cells()?.len(), 5);
            let found = detector.detections(&raw, &Batch::of_inputs(x)?)?;
            assert_eq!(found.len(), 2, "{preset}");
        }
    }
    Ok(())
}

#[test]
fn a_picture_does_not_depend_on_its_batch_mates() -> Result<()> {
    let detector = detector(Preset::Torchvision)?;
    let x = Tensor::rand(-1f32, 1.0, (2, 3, 64, 96), &Device::Cpu)?;
    let alone = Batch::of_inputs(x.narrow(0, 1, 1)?)?;
    let together = detector.detect_batch(&Batch::of_inputs(x)?)?;
    let alone = detector.detect_batch(&alone)?;
    assert_eq!(together[1].len(), alone[0].len());
    for (a, b) in together[1].iter().zip(&alone[0]) {
        assert_eq!(a.class_id, b.class_id);
        assert!((a.score - b.score).abs() < 1e-5);
    }
    Ok(())
}

#[test]
fn outputs_of_another_detector_are_refused() -> Result<()> {
    let detector = detector(Preset::Lite)?;
    let good = raw_outputs(2, 1.0, 0.0, "detect");
    let fewer = RawOutputs { logits: good.logits[..4].to_vec(), deltas: good.deltas.clone() };
    let other = RawOutputs { logits: good.logits.clone(), deltas: good.logits.clone() };
    for raw in [&fewer, &other] {
        assert!(detector.detections(raw, &batch()?).is_err());
    }
    assert!(detector.detections(&good, &batch()?).is_ok());
    Ok(())
}

#[test]
fn ground_truth_is_checked() -> Result<()> {
    let (detector, batch) = (detector(Preset::Mmdet)?, batch()?);
    let raw = raw_outputs(2, 1.0, 0.0, "learn");
    let refusal = |bbox, class_id| {
        let truths = vec![vec![GroundTruth { bbox, class_id }]];
        detector.loss(&raw, &batch, &truths).unwrap_err().to_string()
    };
    for bbox in [[5.0, 5.0, 5.0, 9.0], [9.0, 1.0, 2.0, 9.0], [f32::NAN, 0.0, 1.0, 1.0]] {
        assert!(refusal(bbox, 0).contains("expected left < right"));
    }
    assert!(refusal([0.0, 0.0, 9.0, 9.0], 2).contains("expected one below 2"));
    assert!(detector.loss(&raw, &batch, &[]).is_err(), "of another number of pictures");
    Ok(())
}

#[test]
fn padding_by_batch_mates_teaches_nothing_in_mmdet() -> Result<()> {
    // Two inputs that differ in what lies beyond a small picture's own padding.
    let detector = detector(Preset::Mmdet)?;
    let placement = Placement { original: (32, 32), resized: (32, 32), padded: (32, 32) };
    let loss = |far: f32| -> Result<f32> {
        let mut raw = raw_outputs(2, 1.0, 0.0, "learn");
        let columns = Tensor::arange(0f32, 12.0, &Device::Cpu)?.ge(4f32)?.to_dtype(DType::F32)?;
        let shift = (columns * f64::from(far))?;
        raw.logits[0] = raw.logits[0].broadcast_add(&shift.reshape((1, 1, 1, 12))?)?;
        let batch = Batch { placements: vec![placement], ..batch()? };
        let truth = GroundTruth { bbox: [2.0, 2.0, 30.0, 30.0], class_id: 1 };
        detector.loss(&raw, &batch, &[vec![truth]])?.total()?.to_scalar::<f32>()
    };
    assert_eq!(loss(0.0)?, loss(5.0)?);
    Ok(())
}
