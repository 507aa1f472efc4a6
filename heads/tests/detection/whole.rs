//! Whole networks: from pictures to raw outputs, detections, losses and gradients.

use crate::fixture::Fixture;
use crate::inputs::{check_detections, objects, pictures};
use crate::weights::Weights;
use candle::{Device, Result};
use ghostnetv2::{Config, PlanOptions};
use heads::placement::{Batch, InputConfig};
use heads::retinanet::{Preset, RawOutputs, RetinaNet, RetinaNetConfig};

/// Of raw outputs, as for every network here.
const RTOL: f64 = 1e-3;
const ATOL: f64 = 1e-4;

struct Case {
    fixture: Fixture,
    weights: Weights,
    detector: RetinaNet,
    batch: Batch,
}

impl Case {
    fn new(name: &str, preset: Preset, channels: usize) -> Result<Self> {
        let fixture = Fixture::open(&format!("detection/{name}"));
        let gain = fixture.numbers("class_gain")[0] as f32;
        let weights = Weights::new(&[
            ("cls_logits.weight", gain, 0.0),
            ("retina_cls.weight", gain, 0.0),
            ("cls_logits.bias", 1.0, -5.0),
            ("retina_cls.bias", 1.0, -5.0),
        ]);
        let preset = preset.config();
        let input = InputConfig { short_side: 96, long_side: 160, ..preset.input };
        let config = RetinaNetConfig { channels, input, ..preset };
        let detector = RetinaNet::ghostnet(&config, &Config::v2(0.25), weights.var_builder())?;
        let batch = input.batch(&pictures()?, &Device::Cpu)?;
        Ok(Self { fixture, weights, detector, batch })
    }

    fn check_input(&self) -> Result<()> {
        let sizes = self.batch.placements.iter().flat_map(|p| [p.resized.0, p.resized.1]);
        let sizes: Vec<_> = sizes.map(|side| side as f64).collect();
        assert_eq!(sizes, self.fixture.numbers("sizes"));
        self.fixture.check("pixels", &self.batch.pixels, 1e-5, 1e-5)
    }

    fn check_detections(&self, raw: &RawOutputs) -> Result<()> {
        for (i, found) in self.detector.detections(raw, &self.batch)?.iter().enumerate() {
            check_detections(&self.fixture, &format!("detections/{i}"), found);
        }
        Ok(())
    }

    /// Of candle, and of a plan.
    fn raw_outputs(&self) -> Result<[RawOutputs; 2]> {
        let (b, c, h, w) = self.batch.pixels.dims4()?;
        let plan = self.detector.plan(&[b, c, h, w], &PlanOptions::default())?;
        let pixels = &self.batch.pixels;
        Ok([self.detector.forward_t(pixels, false)?, plan.forward(pixels)?])
    }

    /// The second picture has no objects.
    fn check_losses(&self, raw: &RawOutputs) -> Result<()> {
        let losses = self.detector.loss(raw, &self.batch, &[objects(), Vec::new()])?;
        let expected = self.fixture.numbers("losses");
        for (loss, expected) in [&losses.classification, &losses.bbox].into_iter().zip(expected) {
            let loss = f64::from(loss.to_scalar::<f32>()?);
            assert!((loss - expected).abs() < 1e-4 * expected, "{loss} instead of {expected}");
        }
        let gradients = losses.total()?.backward()?;
        let tensors = self.weights.tensors.lock().unwrap();
        let keys = self.fixture.keys("gradient/");
        for key in &keys {
            let tensor = &tensors[key.trim_start_matches("gradient/")];
            let gradient = gradients.get(tensor).unwrap_or_else(|| panic!("{key}: none"));
            // Its own script lets f32 stray from f64 by half of this.
            let atol = 2e-3 * self.fixture.magnitude(key);
            self.fixture.check(key, gradient, 2e-3, atol)?;
        }
        assert!(keys.len() >= 10);
        Ok(())
    }
}

fn check_torchvision(name: &str, preset: Preset, channels: usize) -> Result<()> {
    let case = Case::new(name, preset, channels)?;
    case.check_input()?;
    let outputs = case.raw_outputs()?;
    for raw in &outputs {
        let (logits, deltas) = raw.rows(case.detector.config().classes)?;
        case.fixture.check("logits", &logits, RTOL, ATOL)?;
        case.fixture.check("deltas", &deltas, RTOL, ATOL)?;
        case.check_detections(raw)?;
    }
    case.check_losses(&outputs[0])
}

#[test]
fn torchvision_v1() -> Result<()> {
    check_torchvision("torchvision_v1", Preset::Torchvision, 32)
}

#[test]
fn torchvision_v2() -> Result<()> {
    check_torchvision("torchvision_v2", Preset::TorchvisionV2, 128)
}

#[test]
fn mmdet() -> Result<()> {
    let case = Case::new("mmdet", Preset::Mmdet, 32)?;
    case.check_input()?;
    let outputs = case.raw_outputs()?;
    for raw in &outputs {
        for (i, (logits, deltas)) in raw.logits.iter().zip(&raw.deltas).enumerate() {
            case.fixture.check(&format!("logits/{i}"), logits, RTOL, ATOL)?;
            case.fixture.check(&format!("deltas/{i}"), deltas, RTOL, ATOL)?;
        }
        case.check_detections(raw)?;
    }
    case.check_losses(&outputs[0])
}

#[test]
fn detecting_goes_from_pixels_to_detections() -> Result<()> {
    let case = Case::new("torchvision_v1", Preset::Torchvision, 32)?;
    let found = case.detector.detect_batch(&case.batch)?;
    check_detections(&case.fixture, "detections/1", &found[1]);
    Ok(())
}
