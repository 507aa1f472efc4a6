//! Names of the classes of pixels.

use crate::labels;
use anyhow::Result;
use ghostnetv2::weights::TimmConfig;
use std::path::Path;

/// ADE20K's 150, one a line.
const ADE20K: &str = include_str!("../../assets/ade20k_classes.txt");

/// CamVid's, in the order that SegNet gave them.
const CAMVID: [&str; 11] = [
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
];

/// Names from the file, else from the checkpoint's `label_names`, else ADE20K's for 150 classes
/// and CamVid's for 11, else numbers.
///
/// # Errors
/// Another number of names than of classes.
pub fn names(
    classes: usize,
    config: Option<&TimmConfig>,
    file: Option<&Path>,
) -> Result<Vec<String>> {
    if let Some(file) = file {
        return labels::lines(file, classes);
    }
    let told = config.map(TimmConfig::label_names).transpose()?.flatten();
    if let Some(names) = told.filter(|names| names.len() == classes) {
        return Ok(names);
    }
    Ok(match classes {
        150 => ADE20K.lines().map(str::to_owned).collect(),
        11 => CAMVID.map(str::to_owned).to_vec(),
        _ => (0..classes).map(|class| format!("class {class}")).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sets_are_told_by_their_number_of_classes() {
        let ade20k = names(150, None, None).unwrap();
        assert_eq!((ade20k.len(), ade20k[0].as_str(), ade20k[149].as_str()), (150, "wall", "flag"));
        assert_eq!(names(11, None, None).unwrap()[8], "car");
        assert_eq!(names(2, None, None).unwrap(), ["class 0", "class 1"]);
    }
}
