//! Pictures and label maps that fit an input of fixed size.

use super::window::{Window, padded};
use super::{Labelled, size};
use crate::Random;
use candle::Result;
use heads::placement::{Resampling, Size};
use heads::segmentation::{LabelMap, UNLABELLED};

/// Cuts a random window in which no class has almost all pixels, where one is found; label maps that
/// are smaller are padded with pixels of no class.
///
/// # Source
/// `RandomCrop` in mmsegmentation 1.2's `datasets/transforms/transforms.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelCrop {
    /// Height and width of the window.
    pub size: Size,
    /// The most common class has less than this share of the labelled pixels; 1 takes any window.
    pub most: f64,
}

/// Windows that are tried.
const TRIALS: usize = 10;

impl LabelCrop {
    /// The picture, no larger than the window, and a label map of its size.
    ///
    /// # Errors
    /// None in practice: the window lies within the picture.
    pub fn apply(&self, labelled: Labelled, random: &mut Random) -> Result<Labelled> {
        let Labelled { picture, labels } = labelled;
        let (height, width) = size(&picture);
        let kept = (height.min(self.size.0), width.min(self.size.1));
        let mut window = || {
            let top = random.below(height - kept.0 + 1);
            Window { left: random.below(width - kept.1 + 1), top, size: kept }
        };
        let mut chosen = window();
        let mut part = chosen.of_labels(&labels)?;
        if self.most < 1.0 {
            for _ in 0..TRIALS {
                if mixed(&part, self.most) {
                    break;
                }
                chosen = window();
                part = chosen.of_labels(&labels)?;
            }
        }
        Ok(Labelled { picture: chosen.of_picture(&picture)?, labels: padded(&part, self.size)? })
    }
}

/// Whether there are several classes, and none of them has as much as this share.
fn mixed(labels: &LabelMap, most: f64) -> bool {
    let counts = labels.counts(usize::from(UNLABELLED));
    let labelled: u64 = counts.iter().sum();
    let classes = counts.iter().filter(|&&count| count > 0).count();
    let top = counts.iter().copied().max().unwrap_or(0);
    classes > 1 && (top as f64) < most * labelled as f64
}

impl Labelled {
    /// The same in another size, height and width; each pixel of the label map has the class of the
    /// old pixel under its centre.
    ///
    /// # Errors
    /// A size that there is no memory for.
    pub fn resized(&self, to: Size, resampling: Resampling) -> Result<Self> {
        let from = self.labels.size();
        let place = |i: usize, from: usize, to: usize| {
            // (i + 1/2) * from / to, rounded down, in whole numbers.
            (((2 * i + 1) * from) / (2 * to.max(1))).min(from.saturating_sub(1))
        };
        let columns: Vec<_> = (0..to.1).map(|x| place(x, from.1, to.1)).collect();
        let mut labels = Vec::with_capacity(to.0 * to.1);
        for y in 0..to.0 {
            let row = &self.labels.labels()[place(y, from.0, to.0) * from.1..][..from.1];
            labels.extend(columns.iter().map(|&x| row[x]));
        }
        Ok(Self {
            picture: resampling.resize(&self.picture, to)?,
            labels: LabelMap::new(to, labels)?,
        })
    }
}
