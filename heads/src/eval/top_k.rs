//! Top-1 and top-5 accuracy.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The classes with the highest scores, best first; the lower index first where scores tie.
///
/// NaN scores stand behind all numbers.
///
/// # Example
/// ```
/// use heads::eval::top_k::best;
/// assert_eq!(best(&[0.1, 0.7, 0.7, f32::NAN], 3), [1, 2, 0]);
/// ```
pub fn best(scores: &[f32], k: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| -> Ordering {
        let (a_score, b_score) = (scores[a], scores[b]);
        let by_number = a_score.is_nan().cmp(&b_score.is_nan());
        by_number.then(b_score.total_cmp(&a_score)).then(a.cmp(&b))
    };
    let mut classes: Vec<usize> = (0..scores.len()).collect();
    if k < classes.len() {
        classes.select_nth_unstable_by(k, order);
        classes.truncate(k);
    }
    classes.sort_unstable_by(order);
    classes
}

/// Counts of pictures whose class is the best, or among the best five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopK {
    /// Pictures counted.
    pub count: usize,
    /// Pictures whose class has the highest score.
    pub top1: usize,
    /// Pictures whose class is among the five highest scores.
    pub top5: usize,
}

impl TopK {
    /// Counts a picture.
    pub fn add(&mut self, scores: &[f32], class: usize) {
        let best = best(scores, 5);
        self.count += 1;
        self.top1 += usize::from(best.first() == Some(&class));
        self.top5 += usize::from(best.contains(&class));
    }

    /// These and others; `None` of more than can be counted.
    pub fn sum(&self, other: &Self) -> Option<Self> {
        Some(Self {
            count: self.count.checked_add(other.count)?,
            top1: self.top1.checked_add(other.top1)?,
            top5: self.top5.checked_add(other.top5)?,
        })
    }

    /// Top-1 and top-5 in percent; NaN of no pictures.
    pub fn percent(&self) -> (f64, f64) {
        let percent = |n: usize| 100.0 * n as f64 / self.count as f64;
        (percent(self.top1), percent(self.top5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let mut counts = TopK::default();
        let scores = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1.0];
        counts.add(&scores, 5); // best
        counts.add(&scores, 1); // fifth
        counts.add(&scores, 0); // sixth
        assert_eq!(counts, TopK { count: 3, top1: 1, top5: 2 });
        let twice = counts.sum(&counts).unwrap();
        assert_eq!(twice, TopK { count: 6, top1: 2, top5: 4 });
        assert_eq!(twice.percent(), counts.percent());
        assert!(counts.sum(&TopK { count: usize::MAX, ..counts }).is_none());
        assert!(TopK::default().percent().0.is_nan());
    }

    #[test]
    fn fewer_classes_than_five() {
        assert_eq!(best(&[1.0, 2.0], 5), [1, 0]);
        assert_eq!(best(&[], 5), [0usize; 0]);
        assert_eq!(best(&[1.0], 0), [0usize; 0]);
    }
}
