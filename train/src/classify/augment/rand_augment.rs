//! RandAugment (arXiv 1909.13719): random operations of a list, all of one strength.

use super::Op;
use super::geometry::{rotation, transform};
use crate::seed::Random;
use candle::Result;
use ghostnetv2::picture::Rgb8;
use ghostnetv2::preprocess::Filter;
use serde::{Deserialize, Serialize};

/// Random operations of timm's list, which the paper's recipe names `rand-m9-mstd0.5`.
///
/// # Source
/// timm 1.0.31, `timm/data/auto_augment.py`, `rand_augment_transform`, without `inc`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandAugment {
    /// How many operations one after the other.
    pub operations: usize,
    /// Their strength, from 0 to 10.
    pub magnitude: f64,
    /// How far the strength spreads.
    pub deviation: f64,
    /// How often each of them is done at all.
    pub probability: f64,
}

impl Default for RandAugment {
    /// The paper's.
    fn default() -> Self {
        Self { operations: 2, magnitude: 9.0, deviation: 0.5, probability: 0.5 }
    }
}

/// The greatest strength.
const GREATEST: f64 = 10.0;

/// How many operations the list has.
const LIST: usize = 15;

impl RandAugment {
    /// The picture after the operations; what comes in from outside has the colour `mean`.
    ///
    /// # Errors
    /// None in practice: a picture stays as large as it is.
    pub fn apply(&self, mut picture: Rgb8, mean: [f64; 3], random: &mut Random) -> Result<Rgb8> {
        let fill = mean.map(|mean| (255.0 * mean).round_ties_even() as u8);
        for _ in 0..self.operations {
            let which = random.below(LIST);
            if !random.chance(self.probability) {
                continue;
            }
            let magnitude = self.magnitude + self.deviation * random.normal();
            let strength = magnitude.clamp(0.0, GREATEST) / GREATEST;
            picture = operation(&picture, which, strength, fill, random)?;
        }
        Ok(picture)
    }
}

/// One operation of the list; `strength` is from 0 to 1.
fn operation(
    picture: &Rgb8,
    which: usize,
    strength: f64,
    fill: [u8; 3],
    random: &mut Random,
) -> Result<Rgb8> {
    let enhanced = (strength * 1.8 + 0.1) as f32;
    let op = match which {
        0 => Op::AutoContrast,
        1 => Op::Equalize,
        2 => Op::Invert,
        3 => Op::Posterize((strength * 4.0) as u8),
        4 => Op::Solarize((strength * 256.0) as u16),
        5 => Op::SolarizeAdd((strength * 110.0) as u8),
        6 => Op::Colour(enhanced),
        7 => Op::Contrast(enhanced),
        8 => Op::Brightness(enhanced),
        9 => Op::Sharpness(enhanced),
        _ => {
            let signed = |most: f64, random: &mut Random| {
                if random.chance(0.5) { -strength * most } else { strength * most }
            };
            let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
            let map = match which {
                10 => rotation(signed(30.0, random), picture),
                11 => [1.0, signed(0.3, random), 0.0, 0.0, 1.0, 0.0],
                12 => [1.0, 0.0, 0.0, signed(0.3, random), 1.0, 0.0],
                13 => [1.0, 0.0, signed(0.45, random) * width, 0.0, 1.0, 0.0],
                _ => [1.0, 0.0, 0.0, 0.0, 1.0, signed(0.45, random) * height],
            };
            let filter = if random.chance(0.5) { Filter::Bilinear } else { Filter::Bicubic };
            return transform(picture, map, filter, fill);
        }
    };
    op.apply(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn every_operation_keeps_the_size_and_most_change_something() -> Result<()> {
        let pixels = (0..40 * 30 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let picture = Rgb8::new(40, 30, pixels).map_err(candle::Error::wrap)?;
        let mut random = Seed(1).stream("list", 0, 0);
        for which in 0..LIST {
            let changed = operation(&picture, which, 0.9, [1, 2, 3], &mut random)?;
            assert_eq!((changed.width(), changed.height()), (40, 30));
            assert!(changed != picture || which < 2, "{which}");
        }
        Ok(())
    }

    #[test]
    fn it_is_done_as_often_as_it_says() -> Result<()> {
        let picture = Rgb8::new(8, 8, (0..192).collect()).map_err(candle::Error::wrap)?;
        let mut changed = 0;
        for i in 0..400 {
            let one = RandAugment { operations: 1, ..RandAugment::default() };
            let after = one.apply(picture.clone(), [0.5; 3], &mut Seed(2).stream("a", 0, i))?;
            changed += usize::from(after != picture);
        }
        assert!((150..230).contains(&changed), "{changed}");
        Ok(())
    }
}
