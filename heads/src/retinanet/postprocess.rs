//! From raw outputs to detections, on plain slices.

use crate::anchors::LevelAnchors;
use crate::boxes::{BBox, Detection, Detections};
use crate::coder::BoxCoder;
use crate::nms::nms;
use crate::placement::Placement;
use candle::{Result, bail};

/// Logits that are looked at together: most of them hold no candidate at all.
const GLANCE: usize = 64;

/// From scores to detections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PostProcess {
    /// Scores must be above.
    pub score_threshold: f32,
    /// The best so many of each level go on.
    pub candidates: usize,
    /// Of two detections of a class that overlap by more, the better one stays.
    pub iou_threshold: f64,
    /// The best so many stay.
    pub detections: usize,
    /// Drop boxes that have no area within the picture, as mmdetection does.
    pub drop_empty: bool,
}

/// Raw outputs of one picture at one level.
#[derive(Clone, Copy, Debug)]
pub struct LevelOutputs<'a> {
    /// `[anchors * classes, H, W]`, all classes of an anchor together.
    pub logits: &'a [f32],
    /// `[anchors * 4, H, W]`.
    pub deltas: &'a [f32],
}

impl PostProcess {
    /// The detections of one picture in its own pixels, best first.
    ///
    /// Of equal scores those of finer levels come first, there those of earlier cells, then of
    /// earlier anchors and classes. Scores of NaN, and boxes that are not finite, are dropped.
    ///
    /// # Errors
    /// Outputs that do not fit the anchors.
    ///
    /// # Source
    /// `postprocess_detections` in torchvision's `models/detection/retinanet.py`;
    /// `_predict_by_feat_single` in mmdetection's `models/dense_heads/base_dense_head.py`.
    pub fn run(
        &self,
        outputs: &[LevelOutputs],
        levels: &[LevelAnchors],
        coder: BoxCoder,
        placement: &Placement,
    ) -> Result<Detections> {
        if outputs.len() != levels.len() {
            bail!("outputs of {} levels: expected {}", outputs.len(), levels.len())
        }
        let mut found = Vec::new();
        for (outputs, level) in outputs.iter().zip(levels) {
            let classes = classes(outputs, level)?;
            let cells = level.cells().0 * level.cells().1;
            for Candidate { logit, position } in self.best(outputs.logits, cells) {
                let score = 1.0 / (1.0 + (-logit).exp());
                if score <= self.score_threshold {
                    break; // so are all that follow
                }
                let (cell, channel) = (position % cells, position / cells);
                let (anchor, class) = (channel / classes, channel % classes);
                let Some(base) = level.get(cell, anchor) else { continue };
                let delta = |i: usize| outputs.deltas[(anchor * 4 + i) * cells + cell];
                let bbox = coder.decode([delta(0), delta(1), delta(2), delta(3)], base);
                if let Some(bbox) = self.clipped(bbox, placement) {
                    found.push(Detection { bbox, class_id: class as u32, score });
                }
            }
        }
        let survivors = nms(&found, self.iou_threshold, self.detections).into_iter();
        let to_picture = |i: usize| {
            let detection = found[i];
            Detection { bbox: placement.to_picture(detection.bbox), ..detection }
        };
        Ok(survivors.map(to_picture).collect())
    }

    /// The highest logits that may be above the threshold, best first.
    fn best(&self, logits: &[f32], cells: usize) -> Vec<Candidate> {
        if self.candidates == 0 {
            return Vec::new();
        }
        // A bit too low, for the exact score decides in the end.
        let threshold = f64::from(self.score_threshold);
        let mut floor = ((threshold / (1.0 - threshold)).ln() - 1e-3) as f32;
        let channels = logits.len() / cells.max(1);
        // Equal logits by cell, then by anchor and class.
        let order = |a: &Candidate, b: &Candidate| {
            let place = |c: &Candidate| (c.position % cells) * channels + c.position / cells;
            b.logit.total_cmp(&a.logit).then_with(|| place(a).cmp(&place(b)))
        };
        let mut best: Vec<Candidate> = Vec::new();
        for (glance, values) in logits.chunks(GLANCE).enumerate() {
            if !values.iter().fold(false, |any, &value| any | (value > floor)) {
                continue;
            }
            for (i, &value) in values.iter().enumerate().filter(|&(_, &value)| value > floor) {
                // Adding zero makes both zeros one.
                best.push(Candidate { logit: value + 0.0, position: glance * GLANCE + i });
            }
            if best.len() / 4 > self.candidates {
                best.select_nth_unstable_by(self.candidates - 1, order);
                best.truncate(self.candidates);
                // Its equals may still come before it.
                floor = best[self.candidates - 1].logit.next_down();
            }
        }
        best.sort_unstable_by(order);
        best.truncate(self.candidates);
        best
    }

    fn clipped(&self, bbox: BBox, placement: &Placement) -> Option<BBox> {
        if bbox.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let (height, width) = (placement.resized.0 as f32, placement.resized.1 as f32);
        let [x1, x2] = [bbox[0], bbox[2]].map(|x| x.clamp(0.0, width));
        let [y1, y2] = [bbox[1], bbox[3]].map(|y| y.clamp(0.0, height));
        let empty = x2 <= x1 || y2 <= y1;
        (!self.drop_empty || !empty).then_some([x1, y1, x2, y2])
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    logit: f32,
    /// In the logits as they lie.
    position: usize,
}

/// How many classes a level's outputs tell of.
fn classes(outputs: &LevelOutputs, level: &LevelAnchors) -> Result<usize> {
    let (rows, columns) = level.cells();
    let anchors = rows * columns * level.per_cell();
    let (logits, deltas) = (outputs.logits.len(), outputs.deltas.len());
    if anchors == 0 || !logits.is_multiple_of(anchors) || deltas != anchors * 4 {
        bail!(
            "{logits} logits and {deltas} differences for {anchors} anchors: expected a multiple \
             of {anchors} and {}",
            anchors * 4
        )
    }
    Ok(logits / anchors)
}
