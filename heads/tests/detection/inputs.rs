//! The twin of `scripts/heads_fixtures/inputs.py`: pictures, raw outputs and ground truth.

use crate::fixture::Fixture;
use crate::formula::plain;
use candle::{Result, Tensor};
use ghostnetv2::picture::Rgb8;
use heads::boxes::Detections;
use heads::retinanet::{GroundTruth, RawOutputs};

const PICTURES: [(usize, usize); 2] = [(70, 101), (53, 64)];

const OBJECTS: [([f32; 4], u32); 5] = [
    ([4.0, 6.5, 60.0, 66.0], 3),
    ([30.0, 20.0, 95.25, 58.0], 17),
    ([50.0, 40.0, 62.0, 52.0], 17),
    ([0.0, 0.0, 101.0, 70.0], 62),
    ([80.0, 5.0, 90.0, 33.0], 1),
];

/// The maps of the raw outputs, in a padded picture of 64x96.
pub(crate) const CELLS: [(usize, usize); 5] = [(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)];

fn picture(number: usize, (h, w): (usize, usize)) -> Result<Rgb8> {
    let noise = plain(&format!("picture/{number}"), (h, w, 3))?.flatten_all()?.to_vec1::<f32>()?;
    let bytes = noise.iter().map(|u| ((u + 1.0) * 128.0).floor() as u8).collect();
    Ok(Rgb8::new(w as u32, h as u32, bytes).unwrap())
}

pub(crate) fn pictures() -> Result<Vec<Rgb8>> {
    (0..).zip(PICTURES).map(|(number, size)| picture(number, size)).collect()
}

/// Objects of the first picture, in its own pixels.
pub(crate) fn objects() -> Vec<GroundTruth> {
    OBJECTS.map(|(bbox, class_id)| GroundTruth { bbox, class_id }).to_vec()
}

pub(crate) fn raw_outputs(classes: usize, spread: f32, level: f32, seed: &str) -> RawOutputs {
    let map = |what: &str, i: usize, channels: usize, spread: f32, level: f32| -> Result<Tensor> {
        let (h, w) = CELLS[i];
        let noise = plain(&format!("{seed}/{what}/{i}"), (1, channels, h, w))?;
        let values = noise.flatten_all()?.to_vec1::<f32>()?.into_iter();
        let values: Vec<f32> = values.map(|u| u * spread + level).collect();
        Tensor::from_vec(values, noise.shape(), noise.device())
    };
    let levels = |what, channels, spread, level| {
        (0..CELLS.len()).map(|i| map(what, i, channels, spread, level).unwrap()).collect()
    };
    RawOutputs {
        logits: levels("logits", 9 * classes, spread, level),
        deltas: levels("deltas", 9 * 4, 0.5, 0.0),
    }
}

/// Same order, same classes, boxes within a hundredth of a pixel.
pub(crate) fn check_detections(fixture: &Fixture, key: &str, found: &Detections) {
    let part = |part: &str| fixture.numbers(&format!("{key}/{part}"));
    let (boxes, scores, labels) = (part("boxes"), part("scores"), part("labels"));
    assert_eq!(found.len(), labels.len(), "{key}");
    for (i, detection) in found.iter().enumerate() {
        assert_eq!(f64::from(detection.class_id), labels[i], "{key}: class of detection {i}");
        let score = f64::from(detection.score);
        assert!((score - scores[i]).abs() < 1e-4 * scores[i], "{key}: score of detection {i}");
        for (side, expected) in detection.bbox.iter().zip(&boxes[4 * i..]) {
            let off = (f64::from(*side) - expected).abs();
            assert!(off < 0.01, "{key}: detection {i}: {side} instead of {expected}");
        }
    }
}
