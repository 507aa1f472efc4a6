//! COCO's average precision and recall of boxes, number for number as pycocotools.
//!
//! # Source
//! `cocoeval.py` of pycocotools 2.0: `evaluateImg` is in `matching.rs`, `accumulate` in `curves.rs`,
//! `summarize` in `summary.rs`. What it does with detections that it can't make sense of, and with
//! none at all, is not followed: the former are refused where they are read, the latter score 0.

mod curves;
mod matching;
mod summary;

pub use summary::Summary;

use crate::data::coco::{Annotation, Coco};
use crate::data::coco_results::CocoResult;
use curves::Curve;
use matching::{Matched, match_picture};
use std::collections::BTreeMap;

/// From so much overlap on, a detection has found an object: 0.5 to 0.95.
pub(crate) const THRESHOLDS: usize = 10;

/// Points of the recall axis at which precision is read: 0 to 1.
pub(crate) const RECALLS: usize = 101;

/// Objects of which sizes count: of all, and of areas from, to, in pixels.
pub(crate) const AREAS: [(f64, f64); 4] =
    [(0.0, 1e10), (0.0, 1024.0), (1024.0, 9216.0), (9216.0, 1e10)];

/// How many detections of a picture and category count.
pub(crate) const MOST: [usize; 3] = [1, 10, 100];

/// All curves of an evaluation.
///
/// # Example
/// ```
/// use heads::data::coco::Coco;
/// use heads::data::coco_results::CocoResult;
/// use heads::eval::coco::Evaluation;
/// let truth = br#"{"images": [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30}],
///     "categories": [{"id": 18, "name": "dog"}],
///     "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "bbox": [1, 2, 10, 20]}]}"#;
/// let truth = Coco::parse("a.json".as_ref(), truth).unwrap();
/// let bbox = [1., 2., 10., 15.]; // an overlap of three quarters
/// let found = CocoResult { image_id: 7, category_id: 18, bbox, score: 0.9 };
/// let summary = Evaluation::new(&truth, &[found], true).summary();
/// assert!((summary.ap - 0.6).abs() < 1e-12); // at 0.5, 0.55, … 0.75 of ten thresholds
/// assert_eq!(summary.ap_large, -1.); // there are none
/// ```
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// In the order of their numbers; a single nameless one where categories do not count.
    categories: Vec<Option<u64>>,
    /// For each category, size and number of detections: none where there are no objects.
    curves: Vec<Option<Curve>>,
}

impl Evaluation {
    /// Scores detections; without `categories`, a detection may be of another category than its
    /// object.
    pub fn new(truth: &Coco, results: &[CocoResult], categories: bool) -> Self {
        let mut numbers: Vec<_> = truth.categories.iter().map(|known| known.id).collect();
        numbers.sort_unstable();
        let mut images: Vec<_> = truth.images.iter().map(|image| image.id).collect();
        images.sort_unstable();
        let keys = match categories {
            true => numbers.into_iter().map(Some).collect(),
            false => vec![None],
        };
        let pictures = Pictures::new(truth, results, categories);
        let mut curves = Vec::with_capacity(keys.len() * AREAS.len() * MOST.len());
        for &category in &keys {
            let of_category: Vec<_> =
                images.iter().filter_map(|&image| pictures.get(image, category)).collect();
            for area in AREAS {
                let matched = of_category.iter().map(|picture| picture.matched(area));
                let matched: Vec<_> = matched.collect();
                curves.extend(MOST.map(|most| Curve::new(&matched, most)));
            }
        }
        Self { categories: keys, curves }
    }

    /// The twelve numbers.
    pub fn summary(&self) -> Summary {
        Summary::new(self)
    }

    /// Average precision of each category, -1 where it has no objects.
    pub fn by_category(&self) -> Vec<(u64, f64)> {
        self.of_each(None)
    }

    /// The same at an overlap of 0.5 alone.
    pub fn by_category_at_50(&self) -> Vec<(u64, f64)> {
        self.of_each(Some(0))
    }

    fn of_each(&self, threshold: Option<usize>) -> Vec<(u64, f64)> {
        let ap = |category: usize| summary::precision(self.curve(category, 0, 2), threshold);
        let each = self.categories.iter().enumerate();
        each.filter_map(|(i, number)| Some(((*number)?, ap(i)))).collect()
    }

    /// Of a category, a size and a number of detections, all by their places; one or none.
    fn curve(&self, category: usize, area: usize, most: usize) -> Vec<&Curve> {
        let place = (category * AREAS.len() + area) * MOST.len() + most;
        self.curves.get(place).and_then(Option::as_ref).into_iter().collect()
    }

    /// Of all categories that have objects.
    fn all(&self, area: usize, most: usize) -> Vec<&Curve> {
        (0..self.categories.len()).flat_map(|category| self.curve(category, area, most)).collect()
    }
}

/// Objects and detections of each picture and category.
struct Pictures<'a>(BTreeMap<(u64, Option<u64>), Picture<'a>>);

/// Those of one.
#[derive(Default)]
struct Picture<'a> {
    truths: Vec<&'a Annotation>,
    /// Best first, as many as count at most.
    results: Vec<&'a CocoResult>,
}

impl<'a> Pictures<'a> {
    fn new(truth: &'a Coco, results: &'a [CocoResult], categories: bool) -> Self {
        let mut pictures: BTreeMap<_, Picture> = BTreeMap::new();
        let key = |image: u64, category: u64| (image, categories.then_some(category));
        // pycocotools goes from category to category, which decides between equals.
        let mut truths: Vec<_> = truth.annotations.iter().collect();
        truths.sort_by_key(|found| found.category_id);
        let mut results: Vec<_> = results.iter().collect();
        results.sort_by_key(|found| found.category_id);
        for found in truths {
            let picture = pictures.entry(key(found.image_id, found.category_id)).or_default();
            picture.truths.push(found);
        }
        for found in results {
            let picture = pictures.entry(key(found.image_id, found.category_id)).or_default();
            picture.results.push(found);
        }
        for picture in pictures.values_mut() {
            picture.results.sort_by(|a, b| b.score.total_cmp(&a.score));
            picture.results.truncate(MOST[MOST.len() - 1]);
        }
        Self(pictures)
    }

    fn get(&self, image: u64, category: Option<u64>) -> Option<&Picture<'a>> {
        self.0.get(&(image, category))
    }
}

impl Picture<'_> {
    fn matched(&self, area: (f64, f64)) -> Matched {
        match_picture(&self.truths, &self.results, area)
    }
}

/// From 0.5 to 0.95, as NumPy's `linspace` gives them.
fn threshold(i: usize) -> f64 {
    let step = (0.95 - 0.5) / (THRESHOLDS - 1) as f64;
    if i + 1 == THRESHOLDS { 0.95 } else { 0.5 + i as f64 * step }
}
