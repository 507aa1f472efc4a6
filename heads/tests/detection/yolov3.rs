//! YOLOv3 against mmdetection's.

use crate::fixture::Fixture;
use crate::inputs::{check_detections, pictures};
use crate::weights::Weights;
use candle::{DType, Device, Result, Tensor};
use ghostnetv2::{Config, PlanOptions};
use heads::placement::Batch;
use heads::yolov3::{YoloV3, YoloV3Config};

const RTOL: f64 = 1e-3;
const ATOL: f64 = 1e-4;

fn detector(weights: &Weights) -> Result<YoloV3> {
    let preset = YoloV3Config::mmdet();
    let config = YoloV3Config { input: preset.input.with_side(160), ..preset };
    YoloV3::ghostnet(&config, &Config::v2(0.25), weights.var_builder())
}

#[test]
fn from_pictures_to_detections() -> Result<()> {
    let fixture = Fixture::open("detection/yolov3");
    let gain = fixture.numbers("gain")[0] as f32;
    let detector = detector(&Weights::new(&[
        ("convs_pred.0.weight", gain, 0.0),
        ("convs_pred.1.weight", gain, 0.0),
        ("convs_pred.2.weight", gain, 0.0),
    ]))?;
    let batch = detector.config().input.batch(&pictures()?, &Device::Cpu)?;
    let sizes = batch.placements.iter().flat_map(|p| [p.resized.0, p.resized.1]);
    assert_eq!(sizes.map(|side| side as f64).collect::<Vec<_>>(), fixture.numbers("sizes"));
    fixture.check("pixels", &batch.pixels, 1e-5, 1e-5)?;
    let (b, c, h, w) = batch.pixels.dims4()?;
    let plan = detector.plan(&[b, c, h, w], &PlanOptions::default())?;
    for raw in [detector.forward_t(&batch.pixels, false)?, plan.forward(&batch.pixels)?] {
        assert_eq!(raw.len(), 3);
        for (i, map) in raw.iter().enumerate() {
            fixture.check(&format!("raw/{i}"), map, RTOL, ATOL)?;
        }
        for (i, found) in detector.config().detections(&raw, &batch)?.iter().enumerate() {
            check_detections(&fixture, &format!("detections/{i}"), found);
        }
    }
    for (i, found) in plan.detect_batch(&batch)?.iter().enumerate() {
        check_detections(&fixture, &format!("detections/{i}"), found);
    }
    Ok(())
}

#[test]
fn names_are_mmdetections() -> Result<()> {
    let weights = Weights::new(&[]);
    detector(&weights)?;
    let tensors = weights.tensors.lock().unwrap();
    for name in [
        "neck.detect1.conv1.conv.weight",
        "neck.detect3.conv5.bn.running_var",
        "neck.conv2.conv.weight",
        "bbox_head.convs_bridge.2.bn.weight",
        "bbox_head.convs_pred.0.bias",
    ] {
        assert!(tensors.contains_key(name), "{name}");
    }
    assert!(tensors.keys().all(|name| !name.contains("neck.conv3")));
    Ok(())
}

#[test]
fn strange_outputs_are_refused_or_find_nothing() -> Result<()> {
    let config = YoloV3Config::mmdet();
    let map =
        |value: f32, channels, side| Tensor::full(value, (1, channels, side, side), &Device::Cpu);
    let raw = |value| (0..3).map(|i| map(value, 255, 2 << i)).collect::<Result<Vec<_>>>();
    let batch = Batch::of_inputs(Tensor::zeros((1, 3, 64, 64), DType::F32, &Device::Cpu)?)?;
    for value in [f32::NAN, f32::NEG_INFINITY] {
        assert!(config.detections(&raw(value)?, &batch)?[0].is_empty(), "{value}");
    }
    // Widths of e^infinity are none.
    assert!(config.detections(&raw(f32::INFINITY)?, &batch)?[0].is_empty());
    assert!(config.detections(&raw(0.0)?[..2], &batch).is_err());
    assert!(
        config
            .detections(&[map(0.0, 255, 2)?, map(0.0, 255, 4)?, map(0.0, 254, 8)?], &batch)
            .is_err()
    );
    let two = Batch::of_inputs(Tensor::zeros((2, 3, 64, 64), DType::F32, &Device::Cpu)?)?;
    assert!(config.detections(&raw(0.0)?, &two).is_err());
    Ok(())
}
