//! Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899): two pictures in one.

use crate::seed::Random;
use serde::{Deserialize, Serialize};

/// Two pictures in one, with a share of the label of each; where both alphas are above 0, a batch
/// takes one of the two ways by chance, as in torchvision's recipes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Of the distribution of mixup's shares; 0 is never.
    pub mixup_alpha: f64,
    /// Of the distribution of CutMix's shares; 0 is never.
    pub cutmix_alpha: f64,
}

/// How the pictures of a batch were mixed: picture `i` has `share` of itself, and the rest of the
/// one before it, the first of the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixed {
    share: f64,
}

impl Mixed {
    /// The label of picture `i` and that of the one that was mixed in, with their shares.
    pub fn labels(&self, i: usize, labels: &[usize]) -> [(usize, f64); 2] {
        let other = (i + labels.len() - 1) % labels.len();
        [(labels[i], self.share), (labels[other], 1.0 - self.share)]
    }
}

impl Mix {
    /// Mixes pictures `[3, height, width]` of a batch.
    ///
    /// # Source
    /// torchvision's `RandomMixUp` and `RandomCutMix` (`references/classification/transforms.py`).
    pub fn apply(
        &self,
        pictures: &mut [Vec<f32>],
        size: (usize, usize),
        random: &mut Random,
    ) -> Mixed {
        let whole = Mixed { share: 1.0 };
        let (mixup, cutmix) = (self.mixup_alpha > 0.0, self.cutmix_alpha > 0.0);
        if pictures.len() < 2 || !(mixup || cutmix) {
            return whole;
        }
        if mixup && (!cutmix || random.chance(0.5)) {
            let share = random.beta(self.mixup_alpha);
            with_previous(pictures, |own, other| {
                let (kept, added) = (share as f32, (1.0 - share) as f32);
                own.iter_mut()
                    .zip(other)
                    .for_each(|(own, other)| *own = *own * kept + other * added);
            });
            return Mixed { share };
        }
        let share = random.beta(self.cutmix_alpha);
        let (top, bottom, left, right) = rectangle(size, share, random);
        with_previous(pictures, |own, other| {
            for y in (0..3).flat_map(|plane| (top..bottom).map(move |y| plane * size.0 + y)) {
                let row = y * size.1 + left..y * size.1 + right;
                own[row.clone()].copy_from_slice(&other[row]);
            }
        });
        let cut = (bottom - top) * (right - left);
        Mixed { share: 1.0 - cut as f64 / (size.0 * size.1).max(1) as f64 }
    }
}

/// Changes each picture with the one before it as that was.
fn with_previous(pictures: &mut [Vec<f32>], change: impl Fn(&mut [f32], &[f32])) {
    let Some(last) = pictures.last().cloned() else { return };
    for i in (1..pictures.len()).rev() {
        let (before, from) = pictures.split_at_mut(i);
        change(&mut from[0], &before[i - 1]);
    }
    change(&mut pictures[0], &last);
}

/// Top, bottom, left and right of what is cut in, of an area of about `1 - share`.
fn rectangle(
    (height, width): (usize, usize),
    share: f64,
    random: &mut Random,
) -> (usize, usize, usize, usize) {
    let half = 0.5 * (1.0 - share).sqrt();
    let mut span = |length: usize| {
        let middle = random.below(length) as f64;
        let reach = (half * length as f64).floor();
        let clamp = |at: f64| at.clamp(0.0, length as f64) as usize;
        (clamp(middle - reach), clamp(middle + reach))
    };
    let (left, right) = span(width);
    let (top, bottom) = span(height);
    (top, bottom, left, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    fn mixed(mix: Mix, i: u64) -> (Vec<Vec<f32>>, Mixed) {
        let mut pictures: Vec<Vec<f32>> = (0..3).map(|v| vec![v as f32; 3 * 8 * 10]).collect();
        let mixed = mix.apply(&mut pictures, (8, 10), &mut Seed(1).stream("mix", 0, i));
        (pictures, mixed)
    }

    /// The mean of a picture tells how much of each label is in it.
    #[test]
    fn labels_have_the_shares_of_the_pixels() {
        // Mean shares: mixup's is one half. CutMix's is more, since rectangles end at the border: it
        // is what torchvision's formula gives over 400,000 draws at this size, and the last the
        // mean of both.
        let ways = [(0.2, 0.0, 0.5), (0.0, 1.0, 0.761), (0.2, 1.0, 0.63)];
        for (mixup_alpha, cutmix_alpha, mean) in ways {
            let mut shares = Vec::new();
            for i in 0..2000 {
                let (pictures, mixed) = mixed(Mix { mixup_alpha, cutmix_alpha }, i);
                for (i, picture) in pictures.iter().enumerate() {
                    let value =
                        picture.iter().map(|&v| f64::from(v)).sum::<f64>() / picture.len() as f64;
                    let labels = mixed.labels(i, &[0, 1, 2]);
                    let expected: f64 = labels.iter().map(|&(l, share)| l as f64 * share).sum();
                    assert!((value - expected).abs() < 1e-5);
                }
                shares.push(mixed.share);
            }
            let found = shares.iter().sum::<f64>() / shares.len() as f64;
            assert!((found - mean).abs() < 0.04, "{mixup_alpha} {cutmix_alpha}: {found}");
        }
    }

    #[test]
    fn nothing_is_mixed_unless_asked_for() {
        let (pictures, mixed) = mixed(Mix::default(), 0);
        assert_eq!(mixed.labels(0, &[5, 6, 7]), [(5, 1.0), (7, 0.0)]);
        assert_eq!(pictures[2], vec![2.0; 240]);
    }
}
