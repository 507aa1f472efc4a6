//! Precision over recall, from the detections of all pictures.

use super::matching::{Fate, Matched};
use super::{RECALLS, THRESHOLDS};

/// Of one category, one range of sizes and one number of detections.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// For each threshold, at each point of the recall axis.
    pub(super) precision: [[f64; RECALLS]; THRESHOLDS],
    /// For each threshold, of all detections.
    pub(super) recall: [f64; THRESHOLDS],
}

impl Curve {
    /// From so many detections of each picture, at most; `None` where there is nothing to find.
    pub(super) fn new(pictures: &[Matched], most: usize) -> Option<Self> {
        let objects: usize = pictures.iter().map(|picture| picture.objects).sum();
        if objects == 0 {
            return None;
        }
        let detections = pictures.iter().enumerate();
        let mut order: Vec<(usize, usize)> = detections
            .flat_map(|(p, picture)| (0..picture.scores.len().min(most)).map(move |d| (p, d)))
            .collect();
        // Of equals the first picture's come first.
        let score = |&(p, d): &(usize, usize)| pictures[p].scores[d];
        order.sort_by(|a, b| score(b).total_cmp(&score(a)));

        let (mut precision, mut recall) = ([[0.0; RECALLS]; THRESHOLDS], [0.0; THRESHOLDS]);
        for t in 0..THRESHOLDS {
            let (mut right, mut wrong) = (0usize, 0usize);
            let mut points = Vec::with_capacity(order.len());
            for &(p, d) in &order {
                match pictures[p].fates[t][d] {
                    Fate::Right => right += 1,
                    Fate::Wrong => wrong += 1,
                    Fate::Ignored => {}
                }
                let found = right as f64;
                let share = found / (wrong as f64 + found + f64::EPSILON);
                points.push((found / objects as f64, share));
            }
            recall[t] = points.last().map_or(0.0, |&(recall, _)| recall);
            // From the right: no precision is lower than a later one.
            for i in (1..points.len()).rev() {
                points[i - 1].1 = points[i - 1].1.max(points[i].1);
            }
            for (r, precision) in precision[t].iter_mut().enumerate() {
                let wanted = if r + 1 == RECALLS { 1.0 } else { r as f64 * 0.01 };
                let first = points.partition_point(|&(recall, _)| recall < wanted);
                *precision = points.get(first).map_or(0.0, |&(_, precision)| precision);
            }
        }
        Some(Self { precision, recall })
    }
}
