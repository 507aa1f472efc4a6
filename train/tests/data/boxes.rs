//! Pictures with boxes.

use crate::picture;
use heads::data::DataError;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use train::data::{DetectionSet, Room};

const CATEGORIES: &str = r#"[{"id": 9, "name": "b"}, {"id": 4, "name": "a"}]"#;

fn open(folder: &Path, images: &str, annotations: &str) -> Result<DetectionSet, DataError> {
    let file = folder.join("annotations.json");
    let text = format!(
        r#"{{"images": {images}, "categories": {CATEGORIES}, "annotations": {annotations}}}"#
    );
    std::fs::write(&file, text).unwrap();
    let seen = AtomicUsize::new(0);
    let set = DetectionSet::open(&file, folder, Default::default(), Room::default(), &|total| {
        assert_eq!(total, 2);
        seen.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(seen.into_inner(), 2);
    set
}

const IMAGES: &str = r#"[{"id": 5, "file_name": "x.png", "width": 8, "height": 6},
    {"id": 3, "file_name": "y.png", "width": 4, "height": 4}]"#;

#[test]
fn objects_are_clipped_and_those_that_can_not_be_learnt_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("x.png"), (8, 6), [1, 2, 3]);
    picture(&folder.path().join("y.png"), (4, 4), [4, 5, 6]);
    let annotations = r#"[
        {"id": 1, "image_id": 5, "category_id": 9, "bbox": [6, 2, 9, 2]},
        {"id": 2, "image_id": 5, "category_id": 4, "bbox": [0, 0, 2, 2], "iscrowd": 1},
        {"id": 3, "image_id": 5, "category_id": 4, "bbox": [8, 0, 2, 2]}]"#;
    let set = open(folder.path(), IMAGES, annotations).unwrap();
    assert_eq!((set.len(), set.classes()), (2, [4, 9].as_slice()));
    let scene = set.scene(0).unwrap();
    assert_eq!((scene.picture.width(), scene.picture.pixels()[0]), (8, 1));
    let [object] = scene.objects[..] else { panic!("{:?}", scene.objects) };
    assert_eq!((object.bbox, object.class_id), ([6.0, 2.0, 8.0, 4.0], 1));
    assert!(set.scene(1).unwrap().objects.is_empty());

    let other = set.with_classes(&[0, 9, 4]).unwrap();
    assert_eq!(other.scene(0).unwrap().objects[0].class_id, 1);
    let error = other.with_classes(&[9]).unwrap_err().to_string();
    assert!(error.contains("category 4 (a): there is no class for it"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("x.png"), (6, 8), [1, 2, 3]);
    let error = open(folder.path(), IMAGES, "[]").unwrap_err().to_string();
    for part in ["2 problems", "6x8 pixels: expected 8x6", "y.png"] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}
