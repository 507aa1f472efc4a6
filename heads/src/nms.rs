//! Non-maximum suppression: of boxes that overlap, the best.

use crate::boxes::{BBox, Detection, area, iou_of};
use std::collections::HashMap;

/// Which of `candidates` survive within their class, best first, at most `most`.
///
/// A candidate falls if a better one of its class that survived overlaps it by more than
/// `iou_threshold`. Of equal scores the earlier candidate is the better one; a score of NaN and a
/// box that is not finite never survive.
///
/// # Source
/// torchvision's `batched_nms`. The overlap is computed in single precision and compared in
/// double, as its C++ does: two boxes whose overlap is 0.2, rounded up, are over a threshold of
/// 0.2. Classes are told apart by their number; shifting them away from each other, as others do,
/// costs digits of the coordinates.
///
/// # Example
/// ```
/// use heads::boxes::Detection;
/// use heads::nms::nms;
/// let cat = Detection { bbox: [0., 0., 10., 10.], class_id: 17, score: 0.5 };
/// let better = Detection { bbox: [0., 0., 10., 9.], score: 0.75, ..cat };
/// let dog = Detection { class_id: 18, ..cat };
/// assert_eq!(nms(&[cat, better, dog], 0.5, 100), [1, 2]);
/// ```
pub fn nms(candidates: &[Detection], iou_threshold: f64, most: usize) -> Vec<usize> {
    let mut survivors = Survivors::new(iou_threshold);
    let mut admit = |&i: &usize| survivors.admit(candidates[i].class_id, candidates[i].bbox);
    // Best first, so that whoever falls after `most` survivors need not be compared at all.
    let order = best_first(candidates).into_iter();
    order.filter(|i| admit(i)).take(most).collect()
}

/// Those that survived so far, by class.
pub(crate) struct Survivors {
    iou_threshold: f64,
    /// With their areas.
    of_class: HashMap<u32, Vec<(BBox, f32)>>,
}

impl Survivors {
    pub(crate) fn new(iou_threshold: f64) -> Self {
        Self { iou_threshold, of_class: HashMap::new() }
    }

    /// Whether a box that is no better than those before it survives them.
    pub(crate) fn admit(&mut self, class: u32, bbox: BBox) -> bool {
        let size = area(bbox);
        let better = self.of_class.entry(class).or_default();
        let overlaps = |&(other, other_size): &(BBox, f32)| {
            f64::from(iou_of(other, other_size, bbox, size)) > self.iou_threshold
        };
        let survives = !better.iter().any(overlaps);
        if survives {
            better.push((bbox, size));
        }
        survives
    }
}

fn best_first(candidates: &[Detection]) -> Vec<usize> {
    let sound = |&i: &usize| {
        !candidates[i].score.is_nan() && candidates[i].bbox.iter().all(|v| v.is_finite())
    };
    let mut order: Vec<usize> = (0..candidates.len()).filter(sound).collect();
    // Adding zero makes both zeros one: they are equal scores.
    let score = |i: usize| candidates[i].score + 0.0;
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(boxes: &[(BBox, f32)]) -> Vec<Detection> {
        boxes.iter().map(|&(bbox, score)| Detection { bbox, class_id: 1, score }).collect()
    }

    #[test]
    fn an_overlap_is_rounded_to_single_precision_before_it_is_compared() {
        // 1/5 as f32 is a little more than 0.2: torchvision issue 7165.
        let two = boxes(&[([1., 1., 2., 3.], 3.0), ([0., 0., 2., 2.], 2.0)]);
        assert_eq!(nms(&two, 0.2, 9), [0]);
        assert_eq!(nms(&two, 0.21, 9), [0, 1]);
    }

    #[test]
    fn a_threshold_of_zero_keeps_what_only_touches() {
        let three =
            boxes(&[([0., 0., 2., 2.], 0.3), ([2., 0., 4., 2.], 0.2), ([1., 1., 3., 3.], 0.1)]);
        assert_eq!(nms(&three, 0.0, 9), [0, 1]);
        assert_eq!(nms(&three, 1.0, 9), [0, 1, 2]);
        assert_eq!(nms(&three, 1.0, 0), [0usize; 0]);
        assert_eq!(nms(&[], 0.5, 9), [0usize; 0]);
    }

    #[test]
    fn empty_boxes_survive_and_what_is_no_number_does_not() {
        let odd = boxes(&[
            ([3., 3., 3., 3.], 0.5),
            ([3., 3., 3., 3.], 0.5),
            ([f32::NAN, 0., 1., 1.], 0.9),
            ([0., 0., f32::INFINITY, 1.], 0.9),
            ([0., 0., 1., 1.], f32::NAN),
        ]);
        assert_eq!(nms(&odd, 0.5, 9), [0, 1]);
    }
}
