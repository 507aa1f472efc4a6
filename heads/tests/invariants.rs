//! What holds of boxes, matches and suppression whatever they are given.

use heads::boxes::{BBox, Detection, iou};
use heads::coder::BoxCoder;
use heads::nms::nms;
use heads::retinanet::{LowQuality, Match, Matcher};
use proptest::prelude::*;

/// A box of at least half a pixel a side within 400 pixels.
fn bbox() -> impl Strategy<Value = BBox> {
    (0f32..380.0, 0f32..380.0, 0.5f32..200.0, 0.5f32..200.0)
        .prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
}

/// Scores of few values, so that many are equal.
fn detection() -> impl Strategy<Value = Detection> {
    (bbox(), 0u32..3, 0u8..8).prop_map(|(bbox, class_id, score)| {
        let score = f32::from(score) / 8.0;
        Detection { bbox, class_id, score }
    })
}

proptest! {
    /// Survivors are apart from each other and best first; who fell has a better one to blame; what
    /// survives of the survivors is all of them; and another class changes nothing.
    #[test]
    fn suppression(found in prop::collection::vec(detection(), 0..60), threshold in 0.0f64..1.0) {
        let kept = nms(&found, threshold, usize::MAX);
        let better = |a: usize, b: usize| {
            found[a].score > found[b].score || found[a].score == found[b].score && a < b
        };
        let over = |a: usize, b: usize| {
            found[a].class_id == found[b].class_id
                && f64::from(iou(found[a].bbox, found[b].bbox)) > threshold
        };
        for (place, &i) in kept.iter().enumerate() {
            for &j in &kept[..place] {
                prop_assert!(better(j, i) && !over(i, j), "{j} before {i}");
            }
        }
        for i in (0..found.len()).filter(|i| !kept.contains(i)) {
            prop_assert!(kept.iter().any(|&j| better(j, i) && over(i, j)), "{i} fell to nobody");
        }
        let survivors: Vec<_> = kept.iter().map(|&i| found[i]).collect();
        let all: Vec<_> = (0..survivors.len()).collect();
        prop_assert_eq!(nms(&survivors, threshold, usize::MAX), all);
        for most in [0, 1, 5] {
            prop_assert_eq!(&nms(&found, threshold, most)[..], &kept[..most.min(kept.len())]);
        }
        let of_one: Vec<_> = (0..found.len()).filter(|&i| found[i].class_id == 1).collect();
        let alone: Vec<_> = of_one.iter().map(|&i| found[i]).collect();
        let alone: Vec<_> =
            nms(&alone, threshold, usize::MAX).into_iter().map(|i| of_one[i]).collect();
        let among: Vec<_> = kept.iter().copied().filter(|&i| found[i].class_id == 1).collect();
        prop_assert_eq!(alone, among);
    }

    /// What is decoded is what was encoded.
    #[test]
    fn coding(bbox in bbox(), anchor in bbox(), bound_shrinking: bool) {
        let coder = BoxCoder { bound_shrinking };
        // Beyond its bound on growth it is not meant to come back.
        let side = |b: BBox, i: usize| b[i + 2] - b[i];
        prop_assume!((0..2).all(|i| (1.0 / 60.0..60.0).contains(&(side(bbox, i) / side(anchor, i)))));
        let back = coder.decode(coder.encode(bbox, anchor), anchor);
        for (back, expected) in back.iter().zip(bbox) {
            prop_assert!((back - expected).abs() < 1e-2, "{back} instead of {expected}");
        }
    }

    /// Every box that overlaps an anchor is learnt, or its best anchors learn one that they overlap
    /// as much or more; no anchor learns a box that it does not overlap; and thresholds hold.
    #[test]
    fn matching(
        anchors in prop::collection::vec(bbox(), 1..40), boxes in prop::collection::vec(bbox(), 0..8),
        that_box: bool,
    ) {
        let low_quality = if that_box { LowQuality::ThatBox } else { LowQuality::OwnBest };
        let matcher = Matcher { foreground: 0.5, background: 0.4, low_quality };
        let matches = matcher.assign(&anchors, &boxes);
        prop_assert_eq!(matches.len(), anchors.len());
        let most = |anchor: BBox| boxes.iter().map(|&b| iou(b, anchor)).fold(0f32, f32::max);
        for (anchor, found) in anchors.iter().zip(&matches) {
            match *found {
                Match::Box(number) => prop_assert!(iou(boxes[number], *anchor) > 0.0),
                Match::Ignored => prop_assert!((0.4..0.5).contains(&most(*anchor))),
                Match::Background => prop_assert!(most(*anchor) < 0.4),
            }
            if most(*anchor) >= 0.5 {
                prop_assert!(matches!(found, Match::Box(_)));
            }
        }
        for &bbox in &boxes {
            let highest = anchors.iter().map(|&anchor| iou(bbox, anchor)).fold(0f32, f32::max);
            for (anchor, found) in anchors.iter().zip(&matches) {
                if highest > 0.0 && iou(bbox, *anchor) == highest {
                    prop_assert!(matches!(found, Match::Box(_)));
                }
            }
        }
    }
}
