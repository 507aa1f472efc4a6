//! Soft targets: what a trained network, the teacher, says of the training pictures.
//!
//! # Source
//! Distilling the Knowledge in a Neural Network (arXiv 1503.02531), with the teacher's answers
//! computed once, for the pictures as they are.

use std::fs;
use std::path::Path;

use half::f16;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::folders::ClassFolders;
use crate::Error;

/// The name of the tensor.
const NAME: &str = "probabilities";

/// The key of the file's metadata that has the names of the classes, with commas between.
const CLASSES: &str = "classes";

/// The teacher's probabilities of all classes for each training picture.
#[derive(Clone, Debug)]
pub struct SoftTargets {
    share: f64,
    classes: usize,
    /// `[N, classes]`.
    probabilities: Vec<f16>,
    digest: String,
}

impl SoftTargets {
    /// Reads a safetensors file that has, as `scripts/make_soft_targets.py` writes it, a tensor
    /// `probabilities` `[N, C]` of f16 for the pictures and classes of `data` in their order, and
    /// the names of the classes in its metadata. They make `share` of each target, the labels the
    /// rest.
    ///
    /// # Errors
    /// A file that can't be read, or is for other pictures or classes.
    pub fn read(path: &Path, share: f64, data: &ClassFolders) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::read(path))?;
        let wrong = |problem: String| Error::Data { path: path.into(), problems: vec![problem] };
        let damaged = |error| wrong(format!("{error}: expected a safetensors file"));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
        let names = metadata.metadata().as_ref().and_then(|metadata| metadata.get(CLASSES));
        if names.is_none_or(|names| !names.split(',').eq(&data.classes)) {
            return Err(wrong(format!(
                "its metadata {CLASSES:?} does not name the {} classes of the data in their order: \
                 make it anew with scripts/make_soft_targets.py",
                data.classes.len()
            )));
        }
        let tensor = file.tensor(NAME).map_err(|_| wrong(format!("no tensor {NAME:?}")))?;
        let expected = [data.train.len(), data.classes.len()];
        if tensor.dtype() != Dtype::F16 || tensor.shape() != expected {
            return Err(wrong(format!(
                "{NAME}: expected {expected:?} of f16, a row for each training picture, found {:?} \
                 of {:?}",
                tensor.shape(),
                tensor.dtype()
            )));
        }
        let pairs = tensor.data().chunks_exact(2);
        let probabilities: Vec<f16> =
            pairs.map(|pair| f16::from_le_bytes([pair[0], pair[1]])).collect();
        for (row, shares) in probabilities.chunks_exact(data.classes.len()).enumerate() {
            let sum: f32 = shares.iter().map(|share| share.to_f32()).sum();
            let least = shares.iter().copied().fold(f16::ZERO, f16::min);
            if !((sum - 1.0).abs() < 0.02 && least >= f16::ZERO) {
                return Err(wrong(format!(
                    "{NAME}: row {row} is no distribution: its sum is {sum}"
                )));
            }
        }
        let digest = Sha256::digest(tensor.data()).iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { share, classes: data.classes.len(), probabilities, digest })
    }

    /// What makes two of them the same.
    pub(super) fn identity(&self) -> Value {
        json!({ "share": self.share, "sha256": self.digest })
    }

    /// Moves the targets `[B, classes]` of training pictures, each of several with its share,
    /// towards the teacher's.
    pub(super) fn blend<const N: usize>(&self, targets: &mut [f32], shown: &[[(usize, f64); N]]) {
        let kept = (1.0 - self.share) as f32;
        for (target, shown) in targets.chunks_exact_mut(self.classes).zip(shown) {
            target.iter_mut().for_each(|target| *target *= kept);
            for (picture, share) in shown {
                let share = (self.share * share) as f32;
                let soft = &self.probabilities[picture * self.classes..][..self.classes];
                for (target, soft) in target.iter_mut().zip(soft) {
                    *target += share * soft.to_f32();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Labelled;
    use super::*;
    use safetensors::tensor::TensorView;
    use std::collections::{BTreeMap, HashMap};

    fn data() -> ClassFolders {
        ClassFolders {
            classes: vec!["cat".into(), "dog".into()],
            words: BTreeMap::new(),
            train: (0..3).map(|i| Labelled { path: "x".into(), class: i % 2 }).collect(),
            val: Vec::new(),
            digest: String::new(),
        }
    }

    fn write(path: &Path, classes: &str, rows: &[[f32; 2]]) {
        let bytes: Vec<u8> =
            rows.iter().flatten().flat_map(|p| f16::from_f32(*p).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F16, vec![rows.len(), 2], &bytes).unwrap();
        let metadata = HashMap::from([(CLASSES.to_owned(), classes.to_owned())]);
        let file = safetensors::serialize([(NAME, view)], Some(metadata)).unwrap();
        fs::write(path, file).unwrap();
    }

    #[test]
    fn targets_move_towards_the_teachers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soft.safetensors");
        write(&path, "cat,dog", &[[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]);
        let soft = SoftTargets::read(&path, 0.5, &data()).unwrap();
        let mut targets = [1.0, 0.0, 0.5, 0.5];
        soft.blend(&mut targets, &[[(0, 1.0), (1, 0.0)], [(1, 0.5), (2, 0.5)]]);
        assert_eq!(targets, [0.625, 0.375, 0.625, 0.375]);
    }

    #[test]
    fn files_for_other_data_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soft.safetensors");
        let good = [[0.5, 0.5]; 3];
        for (classes, rows, word) in [
            ("dog,cat", &good[..], "in their order"),
            ("cat,dog", &good[..2], "expected [3, 2]"),
            ("cat,dog", &[[0.5, 0.5], [0.5, 0.9], [0.5, 0.5]], "row 1"),
            ("cat,dog", &[[0.5, 0.5], [0.5, 0.5], [f32::NAN, 0.5]], "row 2"),
        ] {
            write(&path, classes, rows);
            let error = SoftTargets::read(&path, 0.5, &data()).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("soft.safetensors"), "{error}");
        }
        fs::write(&path, b"no tensors").unwrap();
        assert!(SoftTargets::read(&path, 0.5, &data()).is_err());
    }
}
