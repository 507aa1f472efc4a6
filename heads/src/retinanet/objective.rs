//! From ground truth to losses: anchors are given to boxes, and learn from them.

use super::focal::FocalSum;
use super::head::rows;
use super::losses::{BoxLoss, Losses, Normalizer, focal_loss, giou_loss, l1_loss};
use super::{Match, RawOutputs, RetinaNetConfig};
use crate::anchors::LevelAnchors;
use crate::boxes::BBox;
use crate::placement::{Batch, Placement};
use candle::{DType, Result, Tensor, bail};

/// An object of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroundTruth {
    /// Where, in pixels of the picture as it was before it was fitted to the network.
    pub bbox: BBox,
    /// Its class.
    pub class_id: u32,
}

impl RetinaNetConfig {
    /// What a batch teaches: ground truth is given for each picture, and may be empty.
    ///
    /// # Errors
    /// Boxes without area or of classes that there are not; outputs of another batch.
    pub fn losses(
        &self,
        raw: &RawOutputs,
        batch: &Batch,
        truths: &[Vec<GroundTruth>],
    ) -> Result<Losses> {
        losses(self, raw, batch, truths)
    }
}

fn losses(
    config: &RetinaNetConfig,
    raw: &RawOutputs,
    batch: &Batch,
    truths: &[Vec<GroundTruth>],
) -> Result<Losses> {
    let pictures = batch.placements.len();
    if truths.len() != pictures || pictures == 0 {
        bail!("ground truth of {} pictures for a batch of {pictures}", truths.len())
    }
    let levels = config.anchors.levels(batch.size()?, &raw.cells()?)?;
    let anchors: Vec<BBox> = levels.iter().flat_map(LevelAnchors::iter).collect();
    let deltas = raw.delta_rows()?;

    let mut lessons = Vec::with_capacity(pictures);
    for (i, (truths, placement)) in truths.iter().zip(&batch.placements).enumerate() {
        let truths = in_input(config, i, truths, placement)?;
        let matches = assign(config, &levels, &anchors, &truths, placement);
        let count = matches.iter().filter(|m| matches!(m, Match::Box(_))).count().max(1);
        lessons.push(Lesson { truths, matches, count });
    }
    let all: usize = lessons.iter().map(|lesson| lesson.count).sum();
    let divisor = |lesson: &Lesson| match config.loss.normalizer {
        Normalizer::EachPicture => (lesson.count * pictures) as f64,
        Normalizer::Batch => all as f64,
    };
    let mut bbox = Vec::with_capacity(pictures);
    for (i, lesson) in lessons.iter().enumerate() {
        bbox.push((box_loss(config, &deltas.get(i)?, &anchors, lesson)? / divisor(lesson))?);
    }
    let weights: Vec<f64> = lessons.iter().map(|lesson| 1.0 / divisor(lesson)).collect();
    let classification = class_loss(config, raw, &lessons, &weights)?;
    Ok(Losses { classification, bbox: Tensor::stack(&bbox, 0)?.sum_all()? })
}

/// What a picture teaches.
struct Lesson {
    /// In the input.
    truths: Vec<GroundTruth>,
    /// What becomes of each anchor.
    matches: Vec<Match>,
    /// Anchors that learn a box, at least 1.
    count: usize,
}

/// Checks the ground truth, and moves it into the input.
fn in_input(
    config: &RetinaNetConfig,
    picture: usize,
    truths: &[GroundTruth],
    placement: &Placement,
) -> Result<Vec<GroundTruth>> {
    let moved = |truth: &GroundTruth| {
        let GroundTruth { bbox, class_id } = *truth;
        let [x1, y1, x2, y2] = bbox;
        if bbox.iter().any(|v| !v.is_finite()) || x2 <= x1 || y2 <= y1 {
            bail!(
                "picture {picture} of the batch: box {bbox:?}: expected left < right and \
                 top < bottom; drop such boxes from the data set"
            )
        }
        if class_id as usize >= config.classes {
            bail!(
                "picture {picture} of the batch: class {class_id}: expected one below {}",
                config.classes
            )
        }
        Ok(GroundTruth { bbox: placement.to_input(bbox), class_id })
    };
    truths.iter().map(moved).collect()
}

/// What becomes of each anchor.
fn assign(
    config: &RetinaNetConfig,
    levels: &[LevelAnchors],
    anchors: &[BBox],
    truths: &[GroundTruth],
    placement: &Placement,
) -> Vec<Match> {
    let boxes: Vec<BBox> = truths.iter().map(|truth| truth.bbox).collect();
    if config.loss.normalizer == Normalizer::EachPicture {
        return config.matcher.assign(anchors, &boxes);
    }
    let (height, width) = placement.padded;
    let inside = |level: &LevelAnchors| {
        let ((rows, columns), (down, across)) = (level.cells(), level.stride());
        let (valid_rows, valid_columns) = (height.div_ceil(down), width.div_ceil(across));
        let cell = move |cell| cell / columns < valid_rows && cell % columns < valid_columns;
        let per_cell = level.per_cell();
        (0..rows * columns).flat_map(move |i| std::iter::repeat_n(cell(i), per_cell))
    };
    let inside: Vec<bool> = levels.iter().flat_map(inside).collect();
    let kept = anchors.iter().zip(&inside).filter(|&(_, &inside)| inside);
    let kept: Vec<BBox> = kept.map(|(&anchor, _)| anchor).collect();
    let mut matches = config.matcher.assign(&kept, &boxes).into_iter();
    let each = |inside: bool| if inside { matches.next() } else { None };
    inside.into_iter().map(each).map(|m| m.unwrap_or(Match::Ignored)).collect()
}

/// The sum over all anchors that are not ignored, each picture times its weight.
fn class_loss(
    config: &RetinaNetConfig,
    raw: &RawOutputs,
    lessons: &[Lesson],
    weights: &[f64],
) -> Result<Tensor> {
    let in_one_pass =
        raw.logits.iter().all(|map| map.device().is_cpu() && map.dtype() == DType::F32);
    if !in_one_pass {
        let logits = rows(&raw.logits, config.classes)?;
        let each = lessons.iter().zip(weights).enumerate();
        let each = each
            .map(|(i, (lesson, &weight))| picture_loss(config, &logits.get(i)?, lesson)? * weight);
        return Tensor::stack(&each.collect::<Result<Vec<_>>>()?, 0)?.sum_all();
    }
    let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    let mut start = 0;
    let level = |map: &Tensor| {
        let (_, channels, h, w) = map.dims4()?;
        let (cells, length) = (h * w, channels / config.classes * h * w);
        let matches = lessons.iter().map(|lesson| {
            let classes = lesson.truths.iter().map(|truth| truth.class_id).collect();
            (&lesson.matches[start..][..length], classes)
        });
        let focus = (config.loss.alpha, config.loss.gamma);
        let sum = FocalSum::new(matches, weights.clone(), (config.classes, cells), focus);
        start += length;
        sum.of(map)
    };
    let levels = raw.logits.iter().map(level).collect::<Result<Vec<_>>>()?;
    Tensor::stack(&levels, 0)?.sum_all()
}

/// The sum over all anchors of a picture that are not ignored; `logits` is `[N, classes]`.
fn picture_loss(config: &RetinaNetConfig, logits: &Tensor, lesson: &Lesson) -> Result<Tensor> {
    let Lesson { truths, matches, .. } = lesson;
    let mut targets = vec![0f32; logits.elem_count()];
    let mut weights = vec![1f32; matches.len()];
    for (i, found) in matches.iter().enumerate() {
        match *found {
            Match::Background => {}
            Match::Ignored => weights[i] = 0.0,
            Match::Box(number) => {
                targets[i * config.classes + truths[number].class_id as usize] = 1.0;
            }
        }
    }
    let device = logits.device();
    let targets = Tensor::from_vec(targets, logits.shape(), device)?.to_dtype(logits.dtype())?;
    let weights = Tensor::from_vec(weights, (matches.len(), 1), device)?;
    let loss = focal_loss(logits, &targets, config.loss.alpha, config.loss.gamma)?;
    // By rows first: one long sum of small numbers would lose them.
    loss.broadcast_mul(&weights.to_dtype(logits.dtype())?)?.sum(1)?.sum_all()
}

/// The sum over all anchors that learn a box; `deltas` is `[N, 4]`.
fn box_loss(
    config: &RetinaNetConfig,
    deltas: &Tensor,
    anchors: &[BBox],
    lesson: &Lesson,
) -> Result<Tensor> {
    let Lesson { truths, matches, .. } = lesson;
    let learning = matches.iter().enumerate().filter_map(|(i, found)| match *found {
        Match::Box(number) => Some((i, truths[number].bbox)),
        _ => None,
    });
    let (rows, boxes): (Vec<usize>, Vec<BBox>) = learning.unzip();
    if rows.is_empty() {
        // Zero, with gradients of zero for whoever looks for them.
        return (deltas * deltas.zeros_like()?)?.sum_all();
    }
    let device = deltas.device();
    let table = |rows: &[[f32; 4]]| {
        Tensor::from_slice(rows.as_flattened(), (rows.len(), 4), device)?.to_dtype(deltas.dtype())
    };
    let indices = Tensor::from_iter(rows.iter().map(|&i| i as u32), device)?;
    let found = deltas.index_select(&indices, 0)?;
    let own = rows.iter().map(|&i| anchors[i]);
    match config.loss.bbox {
        BoxLoss::L1 => {
            let encoded = own.zip(&boxes).map(|(anchor, &bbox)| config.coder.encode(bbox, anchor));
            l1_loss(&found, &table(&encoded.collect::<Vec<_>>())?)?.sum_all()
        }
        BoxLoss::Giou => {
            let decoded = config.coder.decode_tensor(&found, &table(&own.collect::<Vec<_>>())?)?;
            giou_loss(&decoded, &table(&boxes)?)?.sum_all()
        }
    }
}
