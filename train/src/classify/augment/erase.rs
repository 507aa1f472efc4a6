//! Random erasing (arXiv 1708.04896): a rectangle without a picture.

use crate::seed::Random;
use serde::{Deserialize, Serialize};

/// What is where the picture was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// The mean colour: torchvision's default.
    Mean,
    /// Noise of the normal distribution: timm's `pixel`, the paper's.
    Noise,
}

/// A rectangle without a picture.
///
/// # Source
/// torchvision's `RandomErasing` and timm 1.0.31, `timm/data/random_erasing.py`, which draw alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erase {
    /// How often.
    pub probability: f64,
    /// What is there instead.
    pub fill: Fill,
}

/// Least and greatest share of the area.
const AREA: (f64, f64) = (0.02, 1.0 / 3.0);

/// The narrowest shape; the widest is its inverse.
const NARROWEST: f64 = 0.3;

impl Erase {
    /// Erases in a normalised picture `[3, height, width]`.
    pub fn apply(&self, values: &mut [f32], (height, width): (usize, usize), random: &mut Random) {
        if !random.chance(self.probability) {
            return;
        }
        for _ in 0..10 {
            let area = (height * width) as f64 * random.range(AREA.0, AREA.1);
            let ends = (libm::log(NARROWEST), -libm::log(NARROWEST));
            let shape = libm::exp(random.range(ends.0, ends.1));
            let h = (area * shape).sqrt().round_ties_even() as usize;
            let w = (area / shape).sqrt().round_ties_even() as usize;
            if h >= height || w >= width || h == 0 || w == 0 {
                continue;
            }
            let top = random.below(height - h + 1);
            let left = random.below(width - w + 1);
            for plane in values.chunks_exact_mut(height * width) {
                for row in plane.chunks_exact_mut(width).skip(top).take(h) {
                    for value in &mut row[left..left + w] {
                        *value = match self.fill {
                            Fill::Mean => 0.0,
                            Fill::Noise => random.normal() as f32,
                        };
                    }
                }
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn a_rectangle_of_the_right_size_in_all_planes() {
        let erase = Erase { probability: 1.0, fill: Fill::Mean };
        for i in 0..200 {
            let mut values = vec![1.0; 3 * 40 * 60];
            erase.apply(&mut values, (40, 60), &mut Seed(1).stream("erase", 0, i));
            let erased: Vec<usize> = (0..2400).filter(|&at| values[at] == 0.0).collect();
            let columns = erased.iter().map(|at| at % 60);
            let rows = erased.iter().map(|at| at / 60);
            let span = |low: Option<usize>, high: Option<usize>| high.unwrap() + 1 - low.unwrap();
            let area =
                span(columns.clone().min(), columns.max()) * span(rows.clone().min(), rows.max());
            assert_eq!(erased.len(), area);
            assert!((40..=840).contains(&area), "{area}");
            assert_eq!(values[..2400], values[4800..]);
        }
    }

    #[test]
    fn as_often_as_it_says() {
        let erase = Erase { probability: 0.25, fill: Fill::Noise };
        let changed = (0..400).filter(|&i| {
            let mut values = vec![1.0; 3 * 16 * 16];
            erase.apply(&mut values, (16, 16), &mut Seed(1).stream("erase", 0, i));
            values.iter().any(|&v| v != 1.0)
        });
        assert!((75..125).contains(&changed.count()));
    }
}
