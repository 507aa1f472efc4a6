//! Objects that were found, as COCO's evaluation reads them.

use crate::part::Content;
use heads::boxes::BBox;
use heads::data::coco_results::CocoResult;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An object that was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundBox {
    /// The picture's number.
    pub image_id: u64,
    /// The category's number.
    pub category_id: u64,
    /// Left, top, right, bottom in pixels.
    pub bbox: BBox,
    /// Higher is surer.
    pub score: f32,
}

impl FoundBox {
    /// With a width and a height.
    pub fn result(&self) -> CocoResult {
        let Self { image_id, category_id, bbox, score } = *self;
        let [x1, y1, x2, y2] = bbox.map(f64::from);
        CocoResult { image_id, category_id, bbox: [x1, y1, x2 - x1, y2 - y1], score: score.into() }
    }
}

/// What was found in each picture of a run, or of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FoundBoxes(pub Vec<Vec<FoundBox>>);

impl Content for FoundBoxes {
    const KIND: &'static str = "detections";
}

impl FoundBoxes {
    /// For the scores.
    pub fn results(&self) -> Vec<CocoResult> {
        self.0.iter().flatten().map(FoundBox::result).collect()
    }

    /// The list that `loadRes` of pycocotools reads.
    pub fn text(&self) -> String {
        let object = |found: &FoundBox| {
            let CocoResult { image_id, category_id, bbox, score } = found.result();
            json!({
                "image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score,
            })
        };
        Value::Array(self.0.iter().flatten().map(object).collect()).to_string()
    }
}
