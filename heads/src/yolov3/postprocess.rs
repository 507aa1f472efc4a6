//! From raw outputs to detections.

use super::YoloV3Config;
use super::config::ATTRIBUTES;
use crate::boxes::{Detection, Detections, area};
use crate::nms::nms;
use crate::placement::{Batch, Placement, Size};
use candle::{DType, Device, Result, Tensor, bail};

/// From scores to detections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct YoloPostProcess {
    /// That there is an object must be at least as sure.
    pub object_threshold: f32,
    /// Scores of classes must be above; that there is an object comes in later.
    pub score_threshold: f32,
    /// The best so many of all levels go on, by the scores of their classes alone.
    pub candidates: usize,
    /// Of two detections of a class that overlap by more, the better one stays.
    pub iou_threshold: f64,
    /// The best so many stay.
    pub detections: usize,
}

/// The raw output of a level for one picture, `[3 * (5 + classes), H, W]`.
struct Level<'a> {
    values: &'a [f32],
    cells: Size,
    stride: f32,
    anchors: &'a [(f32, f32); 3],
}

/// A class of an anchor, by its score.
#[derive(Clone, Copy)]
struct Candidate {
    score: f32,
    level: usize,
    cell: usize,
    anchor: usize,
    class: usize,
}

impl YoloV3Config {
    /// What is in each picture of a batch, in its own pixels, best first, from the raw outputs for
    /// it. Boxes may reach out of the picture, as mmdetection leaves them.
    ///
    /// # Errors
    /// Outputs of another batch, of other classes or of other levels.
    ///
    /// # Source
    /// `YOLOV3Head.predict_by_feat`, `YOLOBBoxCoder.decode` and `YOLOAnchorGenerator` in
    /// mmdetection 3.3.
    pub fn detections(&self, raw: &[Tensor], batch: &Batch) -> Result<Vec<Detections>> {
        batch.size()?;
        let (pictures, outputs) = (batch.placements.len(), self.outputs());
        if raw.len() != self.anchors.len() {
            bail!("raw outputs of {} levels: expected {}", raw.len(), self.anchors.len())
        }
        let mut levels = Vec::with_capacity(raw.len());
        for map in raw {
            let (b, c, h, w) = map.dims4()?;
            if (b, c) != (pictures, outputs) {
                bail!("raw outputs {:?}: expected [{pictures}, {outputs}, H, W]", map.dims())
            }
            let map = map.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
            levels.push((map.flatten_from(1)?.to_vec2::<f32>()?, (h, w)));
        }
        let of_picture = |(i, placement): (usize, &Placement)| {
            let strides = [32.0, 16.0, 8.0];
            let levels = levels.iter().zip(&self.anchors).zip(strides);
            let levels: Vec<_> = levels
                .map(|(((values, cells), anchors), stride)| Level {
                    values: &values[i],
                    cells: *cells,
                    stride,
                    anchors,
                })
                .collect();
            self.postprocess.run(&levels, placement)
        };
        Ok(batch.placements.iter().enumerate().map(of_picture).collect())
    }
}

impl YoloPostProcess {
    fn run(&self, levels: &[Level], placement: &Placement) -> Detections {
        let found = self.best(levels).into_iter().map(|candidate| {
            let Candidate { score, level, cell, anchor, class } = candidate;
            let level = &levels[level];
            let bbox = placement.to_picture(level.bbox(cell, anchor));
            let score = score * sigmoid(level.get(cell, anchor, 4));
            Detection { bbox, class_id: class as u32, score }
        });
        let found: Vec<_> = found.filter(|found| area(found.bbox) > 0.0).collect();
        let survivors = nms(&found, self.iou_threshold, self.detections).into_iter();
        survivors.map(|i| found[i]).collect()
    }

    /// The best classes of all anchors; of equal ones those of coarser levels come first, there
    /// those of earlier cells, then of earlier anchors and classes.
    fn best(&self, levels: &[Level]) -> Vec<Candidate> {
        let mut best = Vec::new();
        for (number, level) in levels.iter().enumerate() {
            for cell in 0..level.cells.0 * level.cells.1 {
                for anchor in 0..level.anchors.len() {
                    // A threshold that NaN does not pass.
                    let object = sigmoid(level.get(cell, anchor, 4));
                    if object.is_nan() || object < self.object_threshold {
                        continue;
                    }
                    for class in 0..level.attributes() - ATTRIBUTES {
                        let score = sigmoid(level.get(cell, anchor, ATTRIBUTES + class));
                        if score > self.score_threshold {
                            best.push(Candidate { score, level: number, cell, anchor, class });
                        }
                    }
                }
            }
        }
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        best.truncate(self.candidates);
        best
    }
}

impl Level<'_> {
    /// Values of each anchor in a cell.
    fn attributes(&self) -> usize {
        let cells = self.cells.0 * self.cells.1;
        self.values.len() / (self.anchors.len() * cells).max(1)
    }

    fn get(&self, cell: usize, anchor: usize, attribute: usize) -> f32 {
        let cells = self.cells.0 * self.cells.1;
        self.values[(anchor * self.attributes() + attribute) * cells + cell]
    }

    /// A box in pixels of the input.
    fn bbox(&self, cell: usize, anchor: usize) -> [f32; 4] {
        let (row, column) = (cell / self.cells.1, cell % self.cells.1);
        let get = |attribute| self.get(cell, anchor, attribute);
        let centre = |place: usize, value: f32| {
            (place as f32 + 0.5) * self.stride + (sigmoid(value) - 0.5) * self.stride
        };
        let (x, y) = (centre(column, get(0)), centre(row, get(1)));
        let (width, height) = self.anchors[anchor];
        let half = [width * 0.5 * get(2).exp(), height * 0.5 * get(3).exp()];
        [x - half[0], y - half[1], x + half[0], y + half[1]]
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
