//! Detections in COCO's JSON form, checked against the annotations that they are scored on.

use super::DataError;
use super::coco::Coco;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// An object that a detector found.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CocoResult {
    /// The picture's number.
    pub image_id: u64,
    /// The category's number.
    pub category_id: u64,
    /// Left, top, width and height in pixels.
    pub bbox: [f64; 4],
    /// Higher is surer.
    pub score: f64,
}

/// Reads a list of detections.
///
/// # Errors
/// A file that can't be read or is no such list; and, together, all detections in pictures or of
/// categories that there are not, with scores that are no numbers, or with sides below 0: pycocotools
/// would count some of these and drop others without a word.
pub fn read(path: &Path, truth: &Coco) -> Result<Vec<CocoResult>, DataError> {
    parse(path, &fs::read(path).map_err(DataError::io(path))?, truth)
}

/// Reads a file's content; `path` is for messages only.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, json: &[u8], truth: &Coco) -> Result<Vec<CocoResult>, DataError> {
    let results: Vec<CocoResult> =
        serde_json::from_slice(super::without_mark(json)).map_err(|error| {
            DataError::invalid(path, vec![format!("not a list of COCO's results: {error}")])
        })?;
    let images: BTreeSet<_> = truth.images.iter().map(|image| image.id).collect();
    let categories: BTreeSet<_> = truth.categories.iter().map(|known| known.id).collect();
    let mut problems = Vec::new();
    for (i, found) in results.iter().enumerate() {
        let mut problem = |text: String| problems.push(format!("result {i}: {text}"));
        if !images.contains(&found.image_id) {
            problem(format!("image_id {}: the annotations have no such image", found.image_id));
        }
        if !categories.contains(&found.category_id) {
            let category = found.category_id;
            problem(format!("category_id {category}: the annotations have no such category"));
        }
        let [_, _, w, h] = found.bbox;
        if found.bbox.iter().any(|side| !side.is_finite()) || w < 0.0 || h < 0.0 {
            problem(format!("bbox {:?}: expected a width and a height of 0 or more", found.bbox));
        }
        if !found.score.is_finite() {
            problem(format!("score {}: expected a number", found.score));
        }
    }
    if problems.is_empty() { Ok(results) } else { Err(DataError::invalid(path, problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let truth = r#"{"images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 3}],
            "categories": [{"id": 3, "name": "car"}], "annotations": []}"#;
        let truth = Coco::parse("t.json".as_ref(), truth.as_bytes()).unwrap();
        let parse = |text: &str| parse("r.json".as_ref(), text.as_bytes(), &truth);
        let good = r#"{"image_id": 1, "category_id": 3, "bbox": [0, 0, 0, 2], "score": 0.5}"#;
        assert_eq!(parse(&format!("[{good}]")).unwrap().len(), 1);
        assert!(parse("[]").unwrap().is_empty());
        let bad = [
            good.replace("\"image_id\": 1", "\"image_id\": 2"),
            good.replace("\"category_id\": 3", "\"category_id\": 4"),
            good.replace("0, 2]", "-1, 2]"),
        ];
        let error = parse(&format!("[{}]", bad.join(","))).unwrap_err().to_string();
        for part in ["3 problems", "image_id 2", "category_id 4", "result 2: bbox"] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        for text in ["", "{}", "[{\"image_id\": 1}]", &good.replace("0.5", "1e999")] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
