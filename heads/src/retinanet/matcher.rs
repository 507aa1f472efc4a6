//! Which anchor learns which box.

use crate::boxes::{BBox, area, iou_of};

/// What becomes of an anchor in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It learns that there is nothing.
    Background,
    /// It learns nothing: it overlaps a box, but not enough.
    Ignored,
    /// It learns the box of this number.
    Box(usize),
}

/// Gives anchors to boxes by their overlap. The best anchors of a box, all that tie, belong to it
/// however little they overlap, so that every box is learnt by some.
///
/// A box that overlaps no anchor at all is learnt by none. (In torchvision and mmdetection the
/// tie of all anchors at an overlap of 0 would give it all of them.)
///
/// # Source
/// torchvision's `Matcher`, mmdetection's `MaxIoUAssigner`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matcher {
    /// Overlaps from here on make an anchor learn a box.
    pub foreground: f32,
    /// Overlaps below make it learn the background.
    pub background: f32,
    /// Which box the best anchors of a box learn.
    pub low_quality: LowQuality,
}

/// Which box the best anchors of a box learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LowQuality {
    /// The one that they overlap most themselves, as in torchvision.
    OwnBest,
    /// That box, and of several the last, as in mmdetection.
    ThatBox,
}

impl Matcher {
    /// What becomes of each anchor. An anchor that ties between boxes takes the first.
    ///
    /// # Example
    /// ```
    /// use heads::retinanet::{Match, RetinaNetConfig};
    /// let anchors = [[0., 0., 10., 10.], [0., 0., 10., 14.], [50., 50., 60., 60.]];
    /// let matches = RetinaNetConfig::torchvision().matcher.assign(&anchors, &[[0., 0., 10., 9.]]);
    /// assert_eq!(matches, [Match::Box(0), Match::Box(0), Match::Background]);
    /// ```
    pub fn assign(&self, anchors: &[BBox], boxes: &[BBox]) -> Vec<Match> {
        let mut best = vec![(0f32, None); anchors.len()];
        let mut highest = vec![0f32; boxes.len()];
        for (number, &bbox) in boxes.iter().enumerate() {
            for (best, iou) in best.iter_mut().zip(overlaps(bbox, anchors)) {
                if iou > best.0 {
                    *best = (iou, Some(number));
                }
                highest[number] = highest[number].max(iou);
            }
        }
        let by_overlap = |&(iou, number): &(f32, Option<usize>)| match number {
            Some(number) if iou >= self.foreground => Match::Box(number),
            _ if iou >= self.background => Match::Ignored,
            _ => Match::Background,
        };
        let mut matches: Vec<_> = best.iter().map(by_overlap).collect();
        for (number, &bbox) in boxes.iter().enumerate().filter(|&(n, _)| highest[n] > 0.0) {
            for (i, iou) in overlaps(bbox, anchors).enumerate() {
                if iou == highest[number] {
                    matches[i] = match (self.low_quality, best[i].1) {
                        (LowQuality::OwnBest, Some(own)) => Match::Box(own),
                        _ => Match::Box(number),
                    };
                }
            }
        }
        matches
    }
}

fn overlaps(bbox: BBox, anchors: &[BBox]) -> impl Iterator<Item = f32> {
    let size = area(bbox);
    anchors.iter().map(move |&anchor| iou_of(bbox, size, anchor, area(anchor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORCHVISION: Matcher =
        Matcher { foreground: 0.5, background: 0.4, low_quality: LowQuality::OwnBest };
    const MMDET: Matcher = Matcher { low_quality: LowQuality::ThatBox, ..TORCHVISION };

    #[test]
    fn thresholds() {
        let bbox = [0.0, 0.0, 100.0, 100.0];
        let anchors = [100.0, 50.0, 49.0, 40.0, 39.0].map(|h| [0.0, 0.0, 100.0, h]);
        let background = Match::Background;
        let expected = [Match::Box(0), Match::Box(0), Match::Ignored, Match::Ignored, background];
        for matcher in [TORCHVISION, MMDET] {
            assert_eq!(matcher.assign(&anchors, &[bbox]), expected);
        }
    }

    #[test]
    fn the_two_rules_of_a_shared_best_anchor() {
        // The only anchor near both boxes overlaps the first more, and is the second's best too.
        let anchors = [[0.0, 0.0, 10.0, 10.0]];
        let boxes = [[0.0, 0.0, 10.0, 9.0], [0.0, 0.0, 10.0, 3.0]];
        assert_eq!(TORCHVISION.assign(&anchors, &boxes), [Match::Box(0)]);
        assert_eq!(MMDET.assign(&anchors, &boxes), [Match::Box(1)]);
    }

    #[test]
    fn ties_of_the_best_all_count() {
        let anchors = [[0.0, 0.0, 10.0, 10.0], [10.0, 0.0, 20.0, 10.0], [4.0, 50.0, 9.0, 60.0]];
        let between = [[5.0, 0.0, 15.0, 10.0]];
        let expected = [Match::Box(0), Match::Box(0), Match::Background];
        assert_eq!(TORCHVISION.assign(&anchors, &between), expected);
    }

    #[test]
    fn a_box_far_from_all_anchors_is_learnt_by_none() {
        let anchors = [[0.0, 0.0, 10.0, 10.0]];
        for far in [[90.0, 90.0, 99.0, 99.0], [f32::NAN; 4], [5.0; 4]] {
            assert_eq!(TORCHVISION.assign(&anchors, &[far]), [Match::Background]);
        }
        assert_eq!(TORCHVISION.assign(&anchors, &[]), [Match::Background]);
        assert_eq!(TORCHVISION.assign(&[], &[[0.0, 0.0, 1.0, 1.0]]), []);
    }
}
