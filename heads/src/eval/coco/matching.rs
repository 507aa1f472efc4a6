//! Which detections of a picture have found an object.

use super::{THRESHOLDS, threshold};
use crate::data::coco::Annotation;
use crate::data::coco_results::CocoResult;

/// What became of the detections of a picture and category.
#[derive(Clone, Debug)]
pub(super) struct Matched {
    /// Of the detections, best first.
    pub(super) scores: Vec<f64>,
    /// For each threshold, what became of each detection.
    pub(super) fates: [Vec<Fate>; THRESHOLDS],
    /// How many objects there were to be found.
    pub(super) objects: usize,
}

/// What became of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It found an object.
    Right,
    /// It found none.
    Wrong,
    /// It found one that does not count, or is itself of a size that does not.
    Ignored,
}

/// Gives detections, best first, to objects: to each the one that it overlaps most of those that
/// are still free. Groups are never taken; they and objects of other sizes do not count, and are
/// only taken where no other fits.
pub(super) fn match_picture(
    truths: &[&Annotation],
    results: &[&CocoResult],
    area: (f64, f64),
) -> Matched {
    let outside = |size: f64| size < area.0 || size > area.1;
    let ignored = |truth: &Annotation| truth.is_crowd || outside(truth.area);
    // Those that count come first.
    let mut truths = truths.to_vec();
    truths.sort_by_key(|truth| ignored(truth));
    let objects = truths.iter().filter(|truth| !ignored(truth)).count();
    let overlaps: Vec<Vec<f64>> = results
        .iter()
        .map(|result| truths.iter().map(|truth| overlap(result.bbox, truth)).collect())
        .collect();
    let fates = std::array::from_fn(|i| {
        let mut taken = vec![false; truths.len()];
        let fate = |(result, overlaps): (&&CocoResult, &Vec<f64>)| {
            let mut least = threshold(i).min(1.0 - 1e-10);
            let mut best = None;
            for (g, (&overlap, truth)) in overlaps.iter().zip(&truths).enumerate() {
                if taken[g] && !truth.is_crowd {
                    continue;
                }
                if g >= objects && best.is_some_and(|best| best < objects) {
                    break;
                }
                if overlap >= least {
                    (least, best) = (overlap, Some(g));
                }
            }
            match best {
                Some(g) => {
                    taken[g] = true;
                    if g < objects { Fate::Right } else { Fate::Ignored }
                }
                None if outside(result.bbox[2] * result.bbox[3]) => Fate::Ignored,
                None => Fate::Wrong,
            }
        };
        results.iter().zip(&overlaps).map(fate).collect()
    });
    Matched { scores: results.iter().map(|result| result.score).collect(), fates, objects }
}

/// Intersection over union; over the detection's own area where the object is a group.
fn overlap([x, y, w, h]: [f64; 4], truth: &Annotation) -> f64 {
    let [gx, gy, gw, gh] = truth.bbox;
    let across = (x + w).min(gx + gw) - x.max(gx);
    let down = (y + h).min(gy + gh) - y.max(gy);
    if across <= 0.0 || down <= 0.0 {
        return 0.0;
    }
    let both = across * down;
    let all = if truth.is_crowd { w * h } else { w * h + gw * gh - both };
    both / all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(bbox: [f64; 4], is_crowd: bool) -> Annotation {
        let area = bbox[2] * bbox[3];
        Annotation { id: 1, image_id: 1, category_id: 1, bbox, area, is_crowd }
    }

    fn result(bbox: [f64; 4], score: f64) -> CocoResult {
        CocoResult { image_id: 1, category_id: 1, bbox, score }
    }

    fn fates(truths: &[Annotation], results: &[CocoResult], area: (f64, f64)) -> Vec<Fate> {
        let (truths, results): (Vec<_>, Vec<_>) =
            (truths.iter().collect(), results.iter().collect());
        match_picture(&truths, &results, area).fates[0].clone()
    }

    const ALL: (f64, f64) = (0.0, 1e10);

    #[test]
    fn an_object_is_found_once_and_a_group_often() {
        let bbox = [0.0, 0.0, 10.0, 10.0];
        let twice = [result(bbox, 0.9), result(bbox, 0.8)];
        assert_eq!(fates(&[truth(bbox, false)], &twice, ALL), [Fate::Right, Fate::Wrong]);
        assert_eq!(fates(&[truth(bbox, true)], &twice, ALL), [Fate::Ignored; 2]);
        // The object is preferred to the group, though the group comes first.
        let both = [truth([0.0, 0.0, 99.0, 99.0], true), truth(bbox, false)];
        assert_eq!(fates(&both, &twice, ALL), [Fate::Right, Fate::Ignored]);
    }

    #[test]
    fn other_sizes_do_not_count() {
        let bbox = [0.0, 0.0, 10.0, 10.0];
        let far = [50.0, 50.0, 90.0, 90.0];
        let found = [result(bbox, 0.9), result(far, 0.8)];
        let large = (1024.0, 1e10);
        assert_eq!(fates(&[truth(bbox, false)], &found, large), [Fate::Ignored, Fate::Wrong]);
        assert_eq!(fates(&[], &found, (0.0, 1024.0)), [Fate::Wrong, Fate::Ignored]);
    }
}
