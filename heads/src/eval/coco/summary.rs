//! The twelve numbers that COCO's table has.

use super::curves::Curve;
use super::{Evaluation, THRESHOLDS};
use serde::Serialize;
use std::fmt;

/// Average precision and recall; -1 where there are no objects of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Average precision, over overlaps from 0.5 to 0.95.
    pub ap: f64,
    /// At an overlap of 0.5.
    pub ap_50: f64,
    /// At an overlap of 0.75.
    pub ap_75: f64,
    /// Of objects below 32² pixels.
    pub ap_small: f64,
    /// Of objects from 32² to 96² pixels.
    pub ap_medium: f64,
    /// Of larger objects.
    pub ap_large: f64,
    /// Average recall with 1 detection of a picture and category.
    pub ar_1: f64,
    /// With 10.
    pub ar_10: f64,
    /// With 100.
    pub ar_100: f64,
    /// With 100, of objects below 32² pixels.
    pub ar_small: f64,
    /// With 100, of objects from 32² to 96² pixels.
    pub ar_medium: f64,
    /// With 100, of larger objects.
    pub ar_large: f64,
}

impl Summary {
    pub(super) fn new(evaluation: &Evaluation) -> Self {
        let ap = |threshold, area| precision(evaluation.all(area, 2), threshold);
        let ar = |area, most| recall(&evaluation.all(area, most));
        Self {
            ap: ap(None, 0),
            ap_50: ap(Some(0), 0),
            ap_75: ap(Some(5), 0),
            ap_small: ap(None, 1),
            ap_medium: ap(None, 2),
            ap_large: ap(None, 3),
            ar_1: ar(0, 0),
            ar_10: ar(0, 1),
            ar_100: ar(0, 2),
            ar_small: ar(1, 2),
            ar_medium: ar(2, 2),
            ar_large: ar(3, 2),
        }
    }

    /// All of them in the order of COCO's table.
    pub fn values(&self) -> [f64; 12] {
        let Self { ap, ap_50, ap_75, ap_small, ap_medium, ap_large, .. } = *self;
        let Self { ar_1, ar_10, ar_100, ar_small, ar_medium, ar_large, .. } = *self;
        [
            ap, ap_50, ap_75, ap_small, ap_medium, ap_large, ar_1, ar_10, ar_100, ar_small,
            ar_medium, ar_large,
        ]
    }
}

impl fmt::Display for Summary {
    /// The lines that pycocotools prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overlaps = ["0.50:0.95", "0.50", "0.75"];
        let areas = ["all", "small", "medium", "large"];
        // (recall, overlap, area, detections)
        let lines = [
            (false, 0, 0, 100),
            (false, 1, 0, 100),
            (false, 2, 0, 100),
            (false, 0, 1, 100),
            (false, 0, 2, 100),
            (false, 0, 3, 100),
            (true, 0, 0, 1),
            (true, 0, 0, 10),
            (true, 0, 0, 100),
            (true, 0, 1, 100),
            (true, 0, 2, 100),
            (true, 0, 3, 100),
        ];
        for ((is_recall, overlap, area, most), value) in lines.into_iter().zip(self.values()) {
            let (title, short) =
                if is_recall { ("Average Recall", "(AR)") } else { ("Average Precision", "(AP)") };
            let (overlap, area) = (overlaps[overlap], areas[area]);
            writeln!(
                f,
                " {title:<18} {short} @[ IoU={overlap:<9} | area={area:>6} | maxDets={most:>3} ] = \
                 {value:0.3}"
            )?;
        }
        Ok(())
    }
}

/// The mean over categories and recalls, at one threshold or over all; -1 of nothing.
pub(super) fn precision(curves: Vec<&Curve>, threshold: Option<usize>) -> f64 {
    let rows = match threshold {
        Some(threshold) => threshold..threshold + 1,
        None => 0..THRESHOLDS,
    };
    mean(curves.iter().flat_map(|curve| curve.precision[rows.clone()].as_flattened()))
}

fn recall(curves: &[&Curve]) -> f64 {
    mean(curves.iter().flat_map(|curve| &curve.recall))
}

fn mean<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count == 0 { -1.0 } else { sum / count as f64 }
}
