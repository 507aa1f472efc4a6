//! Boxes and detections.

use serde::{Deserialize, Serialize};

/// Left, top, right, bottom in pixels.
pub type BBox = [f32; 4];

/// Width times height; negative where a box is turned inside out.
pub fn area([x1, y1, x2, y2]: BBox) -> f32 {
    (x2 - x1) * (y2 - y1)
}

/// Intersection over union, 0 where both boxes are empty; a right edge belongs to no pixel.
///
/// # Source
/// In single precision and in torchvision's order of operations (`nms_kernel.cpp`), so that a
/// comparison with a threshold falls to the same side as there.
///
/// # Example
/// ```
/// use heads::boxes::iou;
/// assert_eq!(iou([0., 0., 2., 2.], [1., 0., 3., 2.]), 1. / 3.);
/// assert_eq!(iou([0., 0., 1., 1.], [5., 5., 6., 6.]), 0.);
/// ```
pub fn iou(a: BBox, b: BBox) -> f32 {
    iou_of(a, area(a), b, area(b))
}

/// [`iou`] of boxes whose areas are known.
pub(crate) fn iou_of(a: BBox, area_a: f32, b: BBox, area_b: f32) -> f32 {
    let w = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let h = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let intersection = w * h;
    let union = area_a + area_b - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}

/// An object that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Where, in pixels of the original picture.
    pub bbox: BBox,
    /// The index of the class score that found it.
    pub class_id: u32,
    /// From 0 to 1.
    pub score: f32,
}

/// What was found in one picture; best first, as detectors give it.
///
/// # Example
/// ```
/// use heads::boxes::{Detection, Detections};
/// let cat = Detection { bbox: [1., 2., 30., 40.], class_id: 17, score: 0.75 };
/// let found = Detections::from(vec![Detection { score: 0.25, ..cat }, cat]).sorted();
/// assert_eq!(found.at_least(0.5).to_json(),
///     r#"[{"bbox":[1.0,2.0,30.0,40.0],"class_id":17,"score":0.75}]"#);
/// assert!(found.of_classes(&[18]).is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Detections(Vec<Detection>);

impl Detections {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in their order.
    pub fn as_slice(&self) -> &[Detection] {
        &self.0
    }

    /// All of them, in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Detection> {
        self.0.iter()
    }

    /// Those that `keep` says.
    pub fn filter(&self, keep: impl Fn(&Detection) -> bool) -> Self {
        self.iter().copied().filter(keep).collect()
    }

    /// Those with at least a score.
    pub fn at_least(&self, score: f32) -> Self {
        self.filter(|detection| detection.score >= score)
    }

    /// Those of some classes.
    pub fn of_classes(&self, classes: &[u32]) -> Self {
        self.filter(|detection| classes.contains(&detection.class_id))
    }

    /// The highest score first, NaN last; equal scores keep their order.
    pub fn sorted(mut self) -> Self {
        let key = |d: &Detection| (d.score.is_nan(), -d.score);
        self.0.sort_by(|a, b| {
            let ((a_nan, a), (b_nan, b)) = (key(a), key(b));
            a_nan.cmp(&b_nan).then(a.total_cmp(&b))
        });
        self
    }

    /// The first ones, at most so many.
    pub fn truncated(mut self, most: usize) -> Self {
        self.0.truncate(most);
        self
    }

    /// A JSON list of objects with `bbox`, `class_id` and `score`; numbers that are none are null.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("numbers in lists can always be written")
    }
}

impl From<Vec<Detection>> for Detections {
    fn from(detections: Vec<Detection>) -> Self {
        Self(detections)
    }
}

impl FromIterator<Detection> for Detections {
    fn from_iter<I: IntoIterator<Item = Detection>>(detections: I) -> Self {
        Self(detections.into_iter().collect())
    }
}

impl IntoIterator for Detections {
    type Item = Detection;
    type IntoIter = std::vec::IntoIter<Detection>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Detections {
    type Item = &'a Detection;
    type IntoIter = std::slice::Iter<'a, Detection>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f32) -> Detection {
        Detection { bbox: [0.0; 4], class_id: 0, score }
    }

    #[test]
    fn sorting_is_stable_and_puts_nan_last() {
        let scores = [0.1, f32::NAN, 0.9, -0.0, 0.0, f32::INFINITY];
        let sorted = Detections::from_iter(scores.map(scored)).sorted();
        let sorted: Vec<_> = sorted.iter().map(|d| d.score).collect();
        assert_eq!(sorted[..3], [f32::INFINITY, 0.9, 0.1]);
        assert!(sorted[5].is_nan());
        let mut equal = vec![scored(0.5); 4];
        (0..4).for_each(|i| equal[i].class_id = i as u32);
        assert_eq!(Detections::from(equal.clone()).sorted().as_slice(), equal);
    }

    #[test]
    fn json_reads_back() {
        let found = Detections::from(vec![Detection {
            bbox: [0.1, -2.5, 1e-7, 3e8],
            class_id: 90,
            score: 0.3,
        }]);
        let read: Detections = serde_json::from_str(&found.to_json()).unwrap();
        assert_eq!(read, found);
        assert!(Detections::from(vec![scored(f32::NAN)]).to_json().contains("null"));
    }

    #[test]
    fn empty_and_hostile_boxes_overlap_nothing() {
        let point = [3.0, 3.0, 3.0, 3.0];
        assert_eq!(iou(point, point), 0.0);
        assert_eq!(iou(point, [0.0, 0.0, 9.0, 9.0]), 0.0);
        let inside_out = [5.0, 5.0, 1.0, 1.0];
        assert_eq!(iou(inside_out, [0.0, 0.0, 2.0, 2.0]), 0.0);
        for odd in [f32::NAN, f32::INFINITY] {
            assert_eq!(iou([odd; 4], [0.0, 0.0, 1.0, 1.0]), 0.0);
        }
    }
}
