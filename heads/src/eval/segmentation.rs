//! Mean intersection over union of label maps, by both conventions that publications use.

use crate::segmentation::{LabelMap, UNLABELLED};
use candle::{Result, bail};
use serde::{Deserialize, Serialize};

/// Pixels of a class; for sums of so many, f64 is exact.
const MOST: u64 = 1 << 53;

/// Pixels of each class, counted over pictures; unlabelled ones do not count, whatever was
/// predicted there.
///
/// # Source
/// `iou_metric.py` of mmsegmentation and `utils_eval.py` of ADE20K's scene parsing benchmark, which
/// count alike and take different means.
///
/// # Example
/// ```
/// use heads::eval::segmentation::PixelCounts;
/// use heads::segmentation::LabelMap;
/// let map = |labels: [u8; 4]| LabelMap::new((2, 2), labels.to_vec());
/// let mut counts = PixelCounts::new(3);
/// counts.add(&map([0, 0, 1, 1])?, &map([0, 0, 0, 255])?)?;
/// assert_eq!(counts.iou(), [Some(2. / 3.), Some(0.), None]);
/// assert_eq!(counts.mean_of_present(), Some(1. / 3.));
/// assert_eq!(counts.mean_of_all(), 2. / 9.);
/// assert_eq!(counts.accuracy(), Some(2. / 3.));
/// # Ok::<(), candle::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct PixelCounts {
    right: Vec<u64>,
    predicted: Vec<u64>,
    labelled: Vec<u64>,
}

/// Counts that may be none.
#[derive(Deserialize)]
struct Stored {
    right: Vec<u64>,
    predicted: Vec<u64>,
    labelled: Vec<u64>,
}

impl TryFrom<Stored> for PixelCounts {
    type Error = String;

    fn try_from(stored: Stored) -> std::result::Result<Self, String> {
        let Stored { right, predicted, labelled } = stored;
        let counts = Self { right, predicted, labelled };
        counts.check()?;
        Ok(counts)
    }
}

impl PixelCounts {
    /// Nothing is counted yet.
    pub fn new(classes: usize) -> Self {
        Self { right: vec![0; classes], predicted: vec![0; classes], labelled: vec![0; classes] }
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// Maps of different sizes, labels of classes that there are not.
    pub fn add(&mut self, predicted: &LabelMap, truth: &LabelMap) -> Result<()> {
        let ((h, w), (height, width)) = (predicted.size(), truth.size());
        if (h, w) != (height, width) {
            bail!("a prediction of {w}x{h} pixels: expected {width}x{height}, as the annotation")
        }
        let classes = self.right.len();
        let pairs = || predicted.labels().iter().zip(truth.labels());
        let labelled = |&(_, &label): &(&u8, &u8)| label != UNLABELLED;
        let beyond = |label: u8| usize::from(label) >= classes;
        if let Some((_, label)) = pairs().filter(labelled).find(|&(_, &label)| beyond(label)) {
            bail!("label {label}: expected one below {classes}, or {UNLABELLED} for none")
        }
        for (&predicted, &label) in pairs().filter(labelled) {
            self.labelled[usize::from(label)] += 1;
            // A prediction of no class is wrong, but no class's.
            if let Some(count) = self.predicted.get_mut(usize::from(predicted)) {
                *count += 1;
            }
            if predicted == label {
                self.right[usize::from(label)] += 1;
            }
        }
        Ok(())
    }

    /// Adds what was counted elsewhere.
    ///
    /// # Errors
    /// Counts of other classes, or of more pixels than can be counted.
    pub fn add_counts(&mut self, other: &Self) -> Result<()> {
        let (classes, others) = (self.right.len(), other.right.len());
        if classes != others {
            bail!("counts of {others} classes: expected {classes}")
        }
        // Checked sums come from checked parts, which are far from overflowing.
        let pairs = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let sum = Self {
            right: pairs(&self.right, &other.right),
            predicted: pairs(&self.predicted, &other.predicted),
            labelled: pairs(&self.labelled, &other.labelled),
        };
        sum.check().map_err(candle::Error::msg)?;
        *self = sum;
        Ok(())
    }

    /// Refuses counts that no pictures have.
    fn check(&self) -> std::result::Result<(), String> {
        let Self { right, predicted, labelled } = self;
        if right.len() != predicted.len() || right.len() != labelled.len() {
            return Err(
                "counts of pixels: expected as many of each kind as there are classes".into()
            );
        }
        let mut counts = right.iter().zip(predicted).zip(labelled);
        let sound = |((right, predicted), labelled): ((&u64, &u64), &u64)| {
            right <= predicted && right <= labelled && *predicted.max(labelled) <= MOST
        };
        match counts.all(sound) {
            true => Ok(()),
            false => Err("counts of pixels: more are right than there are, or too many".into()),
        }
    }

    /// Of each class; `None` where it was neither there nor predicted.
    pub fn iou(&self) -> Vec<Option<f64>> {
        let all = self.right.iter().zip(&self.predicted).zip(&self.labelled);
        let iou = |((&right, &predicted), &labelled): ((&u64, &u64), &u64)| {
            let union = predicted + labelled - right;
            (union > 0).then(|| right as f64 / union as f64)
        };
        all.map(iou).collect()
    }

    /// The mean over classes that were there or predicted, as mmsegmentation; `None` of none.
    pub fn mean_of_present(&self) -> Option<f64> {
        let present: Vec<_> = self.iou().into_iter().flatten().collect();
        (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64)
    }

    /// The mean over all classes, of which absent ones count 0, as ADE20K's benchmark.
    pub fn mean_of_all(&self) -> f64 {
        let iou = self.iou();
        iou.iter().flatten().sum::<f64>() / iou.len().max(1) as f64
    }

    /// The share of labelled pixels that are right; `None` where nothing is labelled.
    pub fn accuracy(&self) -> Option<f64> {
        let labelled: u64 = self.labelled.iter().sum();
        (labelled > 0).then(|| self.right.iter().sum::<u64>() as f64 / labelled as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(labels: [u8; 4]) -> LabelMap {
        LabelMap::new((2, 2), labels.to_vec()).unwrap()
    }

    #[test]
    fn pictures_add_up_before_they_are_divided() {
        let mut counts = PixelCounts::new(2);
        counts.add(&map([0, 0, 0, 0]), &map([0, 0, 0, 1])).unwrap();
        counts.add(&map([1, 1, 1, 1]), &map([1, 255, 255, 255])).unwrap();
        assert_eq!(counts.iou(), [Some(0.75), Some(0.5)]);
        assert_eq!(counts.accuracy(), Some(0.8));
    }

    #[test]
    fn counts_of_parts_add_up() {
        let pairs = [([0, 0, 1, 2], [0, 1, 1, 255]), ([2, 2, 2, 255], [2, 0, 1, 1])];
        let [mut whole, mut first, mut second] = [0; 3].map(|_| PixelCounts::new(3));
        for ((predicted, truth), part) in pairs.into_iter().zip([&mut first, &mut second]) {
            whole.add(&map(predicted), &map(truth)).unwrap();
            part.add(&map(predicted), &map(truth)).unwrap();
        }
        let json = serde_json::to_string(&second).unwrap();
        first.add_counts(&serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(first, whole);
        assert!(first.add_counts(&PixelCounts::new(2)).is_err());
        for bad in [
            r#"{"right": [1], "predicted": [0], "labelled": [1]}"#,
            r#"{"right": [1], "predicted": [1, 1], "labelled": [1]}"#,
            r#"{"right": [0], "predicted": [18446744073709551615], "labelled": [1]}"#,
        ] {
            assert!(serde_json::from_str::<PixelCounts>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_labelled_and_labels_that_there_are_not() {
        let mut counts = PixelCounts::new(2);
        assert_eq!((counts.mean_of_present(), counts.mean_of_all()), (None, 0.0));
        counts.add(&map([9; 4]), &map([255; 4])).unwrap();
        assert_eq!((counts.mean_of_present(), counts.accuracy()), (None, None));
        let error = counts.add(&map([0; 4]), &map([2; 4])).unwrap_err().to_string();
        assert!(error.contains("label 2: expected one below 2"), "{error}");
        let other = LabelMap::new((1, 4), vec![0; 4]).unwrap();
        assert!(counts.add(&other, &map([0; 4])).is_err());
        // A prediction of no class at all is wrong.
        counts.add(&map([255, 0, 0, 0]), &map([0; 4])).unwrap();
        assert_eq!(counts.accuracy(), Some(0.75));
    }
}
