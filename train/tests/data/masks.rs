//! Pictures with masks.

use crate::{mask, picture};
use heads::data::DataError;
use heads::data::pixels::{Layout, Split};
use std::path::Path;
use train::data::{Meaning, Room, SegmentationSet};

fn open(root: &Path, layout: Layout, classes: Option<usize>) -> Result<SegmentationSet, DataError> {
    let meaning = Meaning { layout, reduce_zero_label: false, classes };
    SegmentationSet::open(root, Split::Train, meaning, Default::default(), Room::new(0), &|_| ())
}

#[test]
fn values_mean_what_the_layout_says() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("train/images/a.png"), (2, 2), [1, 2, 3]);
    mask(&root.path().join("train/labels/a.png"), (2, 2), &[0, 3, 11, 255]);
    let read = |layout| {
        let set = open(root.path(), layout, None).unwrap();
        let labelled = set.labelled(0).unwrap();
        assert_eq!(labelled.picture.pixels()[..3], [1, 2, 3]);
        (labelled.labels.labels().to_vec(), set.classes())
    };
    assert_eq!(read(Layout::Folders), (vec![0, 3, 11, 255], 12));
    // Neither does CamVid know 255 as a class.
    assert_eq!(read(Layout::Camvid), (vec![0, 3, 255, 255], 11));
    assert_eq!(read(Layout::Ade20k), (vec![255, 2, 10, 255], 150));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        picture(&root.path().join(format!("train/images/{name}.png")), (2, 1), [0; 3]);
    }
    mask(&root.path().join("train/labels/a.png"), (1, 1), &[0]);
    mask(&root.path().join("train/labels/b.png"), (2, 1), &[1, 7]);
    std::fs::write(root.path().join("train/labels/c.png"), "no mask").unwrap();
    let error = open(root.path(), Layout::Folders, Some(7)).unwrap_err().to_string();
    for part in ["3 problems", "1x1 pixels: expected 2x1", "label 7: expected one below 7", "c.png"]
    {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    assert!(open(root.path(), Layout::Folders, None).is_err());
}
