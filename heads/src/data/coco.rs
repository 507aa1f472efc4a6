//! Annotations of objects in COCO's JSON form, checked as a whole before any of them is used.

use super::DataError;
use crate::boxes::BBox;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

/// Pictures, categories and boxes.
///
/// # Example
/// ```
/// use heads::data::coco::Coco;
/// let text = r#"{"images": [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30}],
///     "categories": [{"id": 18, "name": "dog"}],
///     "annotations": [{"id": 1, "image_id": 7, "category_id": 18, "bbox": [1, 2, 10, 20]}]}"#;
/// let coco = Coco::parse("a.json".as_ref(), text.as_bytes()).unwrap();
/// assert_eq!(coco.annotations[0].corners(), [1., 2., 11., 22.]);
/// assert_eq!(coco.annotations[0].area, 200.);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Coco {
    /// In the file's order.
    pub images: Vec<Image>,
    /// In the file's order.
    pub categories: Vec<Category>,
    /// In the file's order.
    pub annotations: Vec<Annotation>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Its number, in no order.
    pub id: u64,
    /// Its file, as it is named from the folder of all pictures.
    pub file_name: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Category {
    /// Its number; COCO's 80 categories have numbers from 1 to 90.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// An object in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Its number.
    pub id: u64,
    /// The picture's number.
    pub image_id: u64,
    /// The category's number.
    pub category_id: u64,
    /// Left, top, width and height in pixels.
    pub bbox: [f64; 4],
    /// Of its outline where it has one, else of the box.
    pub area: f64,
    /// Whether it is a group of objects that were not told apart.
    pub is_crowd: bool,
}

impl Image {
    /// Whether its file lies in the folder that it is looked for in, or below.
    fn is_below(&self) -> bool {
        let mut parts = Path::new(&self.file_name).components();
        !self.file_name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    }
}

impl Annotation {
    /// Left, top, right, bottom.
    pub fn corners(&self) -> BBox {
        let [x, y, w, h] = self.bbox;
        [x as f32, y as f32, (x + w) as f32, (y + h) as f32]
    }
}

impl Coco {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that can't be read, is not in this form, or has anything wrong in it: all of it is
    /// said together.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Self::parse(path, &fs::read(path).map_err(DataError::io(path))?)
    }

    /// Reads a file's content; `path` is for messages only.
    ///
    /// # Errors
    /// As [`Coco::read`].
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, DataError> {
        let file: File = serde_json::from_slice(super::without_mark(json)).map_err(|error| {
            let problem = format!("not COCO's annotations of objects: {error}");
            DataError::invalid(path, vec![problem])
        })?;
        let mut problems = Vec::new();
        unique("image", file.images.iter().map(|image| image.id), &mut problems);
        unique("category", file.categories.iter().map(|category| category.id), &mut problems);
        unique("annotation", file.annotations.iter().map(|found| found.id), &mut problems);
        for image in &file.images {
            if image.width == 0 || image.height == 0 {
                problems.push(format!(
                    "image {}: {}x{} pixels: expected at least one",
                    image.id, image.width, image.height
                ));
            }
        }
        let outward = file.images.iter().filter(|image| !image.is_below());
        problems.extend(outward.map(|image| {
            let (id, name) = (image.id, &image.file_name);
            format!("image {id}: file_name {name:?}: expected a name below the folder of pictures")
        }));
        let images: BTreeSet<_> = file.images.iter().map(|image| image.id).collect();
        let categories: BTreeSet<_> = file.categories.iter().map(|category| category.id).collect();
        for found in &file.annotations {
            found.check(&images, &categories, &mut problems);
        }
        if !problems.is_empty() {
            return Err(DataError::invalid(path, problems));
        }
        let annotations = file.annotations.into_iter().map(Stored::checked).collect();
        Ok(Self { images: file.images, categories: file.categories, annotations })
    }

    /// The objects of each picture, by its number.
    pub fn by_image(&self) -> BTreeMap<u64, Vec<&Annotation>> {
        let mut by_image: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for annotation in &self.annotations {
            by_image.entry(annotation.image_id).or_default().push(annotation);
        }
        by_image
    }
}

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    categories: Vec<Category>,
    annotations: Vec<Stored>,
}

/// An annotation as it is stored.
#[derive(Deserialize)]
struct Stored {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

impl Stored {
    fn check(
        &self,
        images: &BTreeSet<u64>,
        categories: &BTreeSet<u64>,
        problems: &mut Vec<String>,
    ) {
        let mut problem = |text: String| problems.push(format!("annotation {}: {text}", self.id));
        if !images.contains(&self.image_id) {
            problem(format!("image_id {}: there is no such image", self.image_id));
        }
        if !categories.contains(&self.category_id) {
            problem(format!("category_id {}: there is no such category", self.category_id));
        }
        let [_, _, w, h] = self.bbox;
        if self.bbox.iter().any(|side| !side.is_finite()) || w <= 0.0 || h <= 0.0 {
            problem(format!("bbox {:?}: expected a width and a height above 0", self.bbox));
        }
        if self.area.is_some_and(|area| !area.is_finite() || area < 0.0) {
            problem(format!("area {:?}: expected 0 or more", self.area.unwrap_or_default()));
        }
        if self.iscrowd > 1 {
            problem(format!("iscrowd {}: expected 0 or 1", self.iscrowd));
        }
    }

    fn checked(self) -> Annotation {
        let Self { id, image_id, category_id, bbox, area, iscrowd } = self;
        let area = area.unwrap_or(bbox[2] * bbox[3]);
        Annotation { id, image_id, category_id, bbox, area, is_crowd: iscrowd == 1 }
    }
}

fn unique(what: &str, ids: impl Iterator<Item = u64>, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    let twice = ids.filter(|id| !seen.insert(*id)).collect::<BTreeSet<_>>();
    problems.extend(twice.iter().map(|id| format!("{what} {id} is there more than once")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(annotations: &str) -> Result<Coco, DataError> {
        let text = format!(
            r#"{{"images": [{{"id": 1, "file_name": "a.jpg", "width": 4, "height": 3}}],
                 "categories": [{{"id": 90, "name": "toothbrush"}}], "annotations": [{annotations}]}}"#
        );
        Coco::parse("a.json".as_ref(), text.as_bytes())
    }

    #[test]
    fn crowds_and_areas() {
        let coco = parse(
            r#"{"id": 5, "image_id": 1, "category_id": 90, "bbox": [0.5, 0, 2, 2], "area": 3.5,
                "iscrowd": 1, "segmentation": {"counts": [1]}}"#,
        );
        let coco = coco.unwrap();
        assert!(coco.annotations[0].is_crowd);
        assert_eq!(coco.annotations[0].area, 3.5);
        assert_eq!(coco.by_image()[&1].len(), 1);
        assert!(parse("").unwrap().by_image().is_empty());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let error = parse(
            r#"{"id": 5, "image_id": 2, "category_id": 1, "bbox": [0, 0, 0, 2]},
               {"id": 5, "image_id": 1, "category_id": 90, "bbox": [0, 0, 1, 2], "area": -1},
               {"id": 6, "image_id": 1, "category_id": 90, "bbox": [0, 0, 1, -2], "iscrowd": 2}"#,
        );
        let error = error.unwrap_err().to_string();
        for part in [
            "a.json: 7 problems",
            "annotation 5 is there more than once",
            "image_id 2: there is no such image",
            "category_id 1",
            "bbox [0.0, 0.0, 0.0, 2.0]",
            "bbox [0.0, 0.0, 1.0, -2.0]",
            "area -1",
            "iscrowd 2",
        ] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
    }

    #[test]
    fn pictures_are_looked_for_below_their_folder_only() {
        let parse = |name: &str| {
            let text = format!(
                r#"{{"images": [{{"id": 1, "file_name": {name:?}, "width": 4, "height": 3}}],
                     "categories": [], "annotations": []}}"#
            );
            Coco::parse("a.json".as_ref(), format!("\u{feff}{text}").as_bytes())
        };
        assert!(parse("val2017/a.jpg").is_ok());
        for name in ["", "/etc/passwd", "../a.jpg", "a/../../b.jpg"] {
            let error = parse(name).unwrap_err().to_string();
            assert!(error.contains("image 1: file_name"), "{error}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "[]", "{\"images\": []}", "{\"images\": 3}"] {
            let error = Coco::parse("a.json".as_ref(), text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("not COCO's annotations"), "{error}");
        }
        assert!(Coco::read("no/such/file.json".as_ref()).is_err());
    }
}
