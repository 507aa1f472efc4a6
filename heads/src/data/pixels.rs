//! Data sets that tell the class of every pixel: a folder of pictures, and one of masks.

use super::{DataError, mask};
use crate::segmentation::{LabelMap, UNLABELLED};
use std::fs;
use std::path::{Path, PathBuf};

/// What the values of masks mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// 150 classes; 0 is none and 1 the first.
    Ade20k,
    /// 11 classes; 11 is none.
    Camvid,
    /// Values are classes; 255 is none.
    Folders,
}

impl Layout {
    /// How many classes there are, where that is known.
    pub fn classes(self) -> Option<usize> {
        match self {
            Self::Ade20k => Some(150),
            Self::Camvid => Some(11),
            Self::Folders => None,
        }
    }

    /// A mask; with `reduce_zero_label` its 0 is no class and 1 the first, as always in ADE20K.
    ///
    /// # Errors
    /// As [`mask::read`].
    pub fn read(self, path: &Path, reduce_zero_label: bool) -> Result<LabelMap, DataError> {
        let map = mask::read(path, reduce_zero_label || self == Self::Ade20k)?;
        if self != Self::Camvid {
            return Ok(map);
        }
        let none = |&label: &u8| if label == 11 { UNLABELLED } else { label };
        let labels = map.labels().iter().map(none).collect();
        LabelMap::new(map.size(), labels)
            .map_err(|error| DataError::invalid(path, vec![error.to_string()]))
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What is learnt from.
    Train,
    /// What the best weights are chosen by.
    Val,
    /// What is scored in the end.
    Test,
}

impl Split {
    /// Names of its folders.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train", "training"],
            Self::Val => &["val", "validation"],
            Self::Test => &["test", "testing"],
        }
    }
}

/// A picture and its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The picture.
    pub picture: PathBuf,
    /// The mask.
    pub mask: PathBuf,
}

/// The folders of pictures and of masks of a part, in any of the ways in which people lay them out:
/// `train/images` and `train/labels` (or `masks`, `annotations`), `images/training` and
/// `annotations/training` as ADE20K, `train` and `trainannot` as SegNet's CamVid.
///
/// # Errors
/// None of these is there.
pub fn folders(root: &Path, split: Split) -> Result<(PathBuf, PathBuf), DataError> {
    const MASKS: [&str; 3] = ["labels", "masks", "annotations"];
    for name in split.names() {
        let below =
            MASKS.map(|masks| (root.join(name).join("images"), root.join(name).join(masks)));
        let above =
            MASKS.map(|masks| (root.join("images").join(name), root.join(masks).join(name)));
        let beside = (root.join(name), root.join(format!("{name}annot")));
        let all = below.into_iter().chain(above).chain([beside]);
        for (pictures, masks) in all {
            if pictures.is_dir() && masks.is_dir() {
                return Ok((pictures, masks));
            }
        }
    }
    let name = split.names()[0];
    let problem = format!(
        "no pictures and masks for {name}: expected {name}/images and {name}/labels, or \
         images/{name} and annotations/{name}, or {name} and {name}annot"
    );
    Err(DataError::invalid(root, vec![problem]))
}

/// All pictures of a folder with their masks, PNG files of the same names, sorted by name.
///
/// # Errors
/// A folder that can't be read; no pictures, or, together, all masks that are missing.
pub fn pairs(pictures: &Path, masks: &Path) -> Result<Vec<Pair>, DataError> {
    const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
    let entries = fs::read_dir(pictures).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(DataError::io(pictures))?;
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().unwrap_or_default();
        ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) && path.is_file()
    };
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(is_picture).collect();
    files.sort();
    let mut problems = Vec::new();
    let mut pairs = Vec::with_capacity(files.len());
    for picture in files {
        let mut name = picture.file_stem().unwrap_or_default().to_owned();
        name.push(".png");
        let mask = masks.join(name);
        if !mask.is_file() {
            problems.push(format!("{}: no mask {}", picture.display(), mask.display()));
        }
        pairs.push(Pair { picture, mask });
    }
    if pairs.is_empty() {
        problems.push("no pictures in this folder".into());
    }
    if problems.is_empty() { Ok(pairs) } else { Err(DataError::invalid(pictures, problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn all_layouts_are_found() {
        for (pictures, masks) in [
            ("val/images", "val/labels"),
            ("val/images", "val/masks"),
            ("images/validation", "annotations/validation"),
            ("val", "valannot"),
        ] {
            let root = tempfile::tempdir().unwrap();
            touch(root.path().join(pictures).join("a.JPG"));
            touch(root.path().join(pictures).join("notes.txt"));
            touch(root.path().join(masks).join("a.png"));
            let (found, beside) = folders(root.path(), Split::Val).unwrap();
            assert_eq!(
                (found.as_path(), beside.as_path()),
                (root.path().join(pictures).as_path(), root.path().join(masks).as_path())
            );
            assert_eq!(pairs(&found, &beside).unwrap().len(), 1);
            let error = folders(root.path(), Split::Train).unwrap_err().to_string();
            assert!(error.contains("train/images"), "{error}");
        }
    }

    #[test]
    fn all_that_is_missing_is_said_together() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.png"] {
            touch(root.path().join("p").join(name));
        }
        let error = pairs(&root.path().join("p"), root.path()).unwrap_err().to_string();
        assert!(error.contains("2 problems") && error.contains("b.png"), "{error}");
        fs::create_dir(root.path().join("none")).unwrap();
        assert!(pairs(&root.path().join("none"), root.path()).is_err());
    }
}
