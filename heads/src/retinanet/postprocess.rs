//! From raw outputs to detections, on plain slices.

use super::candidates;
use crate::anchors::LevelAnchors;
use crate::boxes::{BBox, Detection, Detections};
use crate::coder::BoxCoder;
use crate::nms::Survivors;
use crate::placement::Placement;
use crate::rank::Rank;
use candle::{Result, bail};
use ghostnetv2::KeptCells;

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
    /// Of `anchors * classes` channels, all classes of an anchor together.
    pub logits: Logits<'a>,
    /// `[anchors * 4, H, W]`.
    pub deltas: &'a [f32],
}

/// The logits of one picture at one level.
#[derive(Clone, Copy, Debug)]
pub enum Logits<'a> {
    /// `[channels, H, W]`.
    All(&'a [f32]),
    /// Those above [`PostProcess::floor`], at least the best [`PostProcess::candidates`] of them.
    Above(KeptCells<'a>),
}

impl Logits<'_> {
    /// How many there are, seen or not.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(values) => values.len(),
            Self::Above(kept) => kept.cells() * kept.channels(),
        }
    }
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
        let logits: usize = outputs.iter().map(|outputs| outputs.logits.len()).sum();
        if u32::try_from(logits).is_err() {
            bail!("{logits} logits of one picture: expected less than 2^32")
        }
        let found = self.scored(outputs, levels)?;
        let mut order: Vec<_> =
            found.iter().zip(0..).map(|(found, i)| Rank::new(found.score, i)).collect();
        order.sort_unstable();
        let mut survivors = Survivors::new(self.iou_threshold);
        let mut detections = Vec::new();
        // Only those that are looked at become boxes: the rest fall whatever they are.
        for rank in order {
            if detections.len() >= self.detections {
                break;
            }
            let Scored { score, level, cell, anchor, class_id } = found[rank.tie() as usize];
            let (deltas, level) = (outputs[level].deltas, &levels[level]);
            let Some(base) = level.get(cell, anchor) else { continue };
            let cells = level.cells().0 * level.cells().1;
            let delta = [0, 1, 2, 3].map(|i| deltas[(anchor * 4 + i) * cells + cell]);
            let Some(bbox) = self.clipped(coder.decode(delta, base), placement) else { continue };
            if survivors.admit(class_id, bbox) {
                detections.push(Detection { bbox: placement.to_picture(bbox), class_id, score });
            }
        }
        Ok(detections.into_iter().collect())
    }

    /// Logits must be above it to become detections: a bit too low, for the exact score decides in
    /// the end.
    pub fn floor(&self) -> f32 {
        let threshold = f64::from(self.score_threshold);
        ((threshold / (1.0 - threshold)).ln() - 1e-3) as f32
    }

    /// The candidates of all levels whose scores are above the threshold, level by level, there the
    /// best first.
    fn scored(&self, outputs: &[LevelOutputs], levels: &[LevelAnchors]) -> Result<Vec<Scored>> {
        let floor = self.floor();
        let mut found = Vec::new();
        for (number, (outputs, level)) in outputs.iter().zip(levels).enumerate() {
            let classes = classes(outputs, level)?;
            let cells = level.cells().0 * level.cells().1;
            let best = candidates::best(outputs.logits, cells, floor, self.candidates);
            let scored = best.into_iter().map(|candidate| Scored {
                score: 1.0 / (1.0 + (-candidate.logit).exp()),
                level: number,
                cell: candidate.cell,
                anchor: candidate.channel / classes,
                class_id: (candidate.channel % classes) as u32,
            });
            found.extend(scored.take_while(|scored| scored.score > self.score_threshold));
        }
        Ok(found)
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

/// A class of an anchor, by its score.
#[derive(Clone, Copy)]
struct Scored {
    score: f32,
    level: usize,
    cell: usize,
    anchor: usize,
    class_id: u32,
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
