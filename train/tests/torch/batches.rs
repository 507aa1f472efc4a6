//! Pictures and labels by formula, as `scripts/training_fixtures/tasks.py` makes them.

use crate::formula::plain;
use candle::{Device, Result, Tensor};
use heads::retinanet::GroundTruth;
use heads::segmentation::LabelMap;

pub(crate) const CLASSES: usize = 5;
const UNLABELLED: u8 = 255;

pub(crate) type Size = (usize, usize);

/// Which batch, of how many pictures, and how large these are.
#[derive(Clone, Copy)]
pub(crate) struct Lot {
    pub(crate) number: usize,
    pub(crate) count: usize,
    pub(crate) size: Size,
}

impl Lot {
    /// Classes, and pictures coloured by them.
    pub(crate) fn classified(self) -> Result<(Tensor, Vec<u32>)> {
        let labels = numbers(&format!("batch/{}/labels", self.number), self.count, CLASSES)?;
        let pixels = self.size.0 * self.size.1;
        let shown = labels.iter().flat_map(|&label| std::iter::repeat_n(label as u8, pixels));
        let images = self.images(&shown.collect::<Vec<_>>())?;
        Ok((images, labels.into_iter().map(|label| label as u32).collect()))
    }

    /// Objects, and pictures in which they are painted. The last has none.
    pub(crate) fn with_objects(self) -> Result<(Tensor, Vec<Vec<GroundTruth>>)> {
        let (height, width) = self.size;
        let mut shown = vec![UNLABELLED; self.count * height * width];
        let mut truths = vec![Vec::new(); self.count];
        for (i, truths) in truths.iter_mut().enumerate().take(self.count - 1) {
            for object in 0..2 {
                let key = format!("batch/{}/{i}/{object}", self.number);
                let one = |part: &str, below| -> Result<usize> {
                    Ok(numbers(&format!("{key}/{part}"), 1, below)?[0])
                };
                let (x, w) = (one("x", width / 2)?, one("w", width / 2)?.max(16));
                let (y, h) = (one("y", height / 2)?, one("h", height / 2)?.max(16));
                let class = one("class", CLASSES)?;
                for row in y..(y + h).min(height) {
                    let start = (i * height + row) * width;
                    shown[start + x..start + (x + w).min(width)].fill(class as u8);
                }
                let bbox = [x, y, x + w, y + h].map(|v| v as f32);
                truths.push(GroundTruth { bbox, class_id: class as u32 });
            }
        }
        Ok((self.images(&shown)?, truths))
    }

    /// Classes of squares of pixels, and pictures coloured by them. One square in six has none.
    pub(crate) fn labelled(self) -> Result<(Tensor, Vec<LabelMap>)> {
        let (height, width) = self.size;
        let (rows, columns) = (height.div_ceil(16), width.div_ceil(16));
        let name = format!("batch/{}/labels", self.number);
        let coarse = numbers(&name, self.count * rows * columns, CLASSES + 1)?;
        let mut shown = Vec::with_capacity(self.count * height * width);
        for i in 0..self.count {
            for y in 0..height {
                shown.extend((0..width).map(|x| {
                    match coarse[(i * rows + y / 16) * columns + x / 16] {
                        CLASSES => UNLABELLED,
                        class => class as u8,
                    }
                }));
            }
        }
        let maps = shown.chunks_exact(height * width);
        let maps = maps.map(|map| LabelMap::new(self.size, map.to_vec())).collect::<Result<_>>()?;
        Ok((self.images(&shown)?, maps))
    }

    /// Noise, and where a class is shown its colour too.
    fn images(self, shown: &[u8]) -> Result<Tensor> {
        let Self { number, count, size: (height, width) } = self;
        let noise = plain(&format!("batch/{number}"), (count, 3, height, width))?;
        let mut values: Vec<f32> = noise.flatten_all()?.to_vec1()?;
        values.iter_mut().for_each(|value| *value *= 0.5);
        let pixels = height * width;
        for class in 0..CLASSES {
            let colour: Vec<f32> = plain(&format!("class/{class}"), 3)?.to_vec1()?;
            for (i, value) in values.iter_mut().enumerate() {
                let (picture, pixel) = (i / (3 * pixels), i % pixels);
                if usize::from(shown[picture * pixels + pixel]) == class {
                    *value += colour[i / pixels % 3];
                }
            }
        }
        Tensor::from_vec(values, (count, 3, height, width), &Device::Cpu)
    }
}

/// Whole numbers below a limit.
fn numbers(name: &str, count: usize, below: usize) -> Result<Vec<usize>> {
    let values: Vec<f32> = plain(name, count)?.to_vec1()?;
    Ok(values.iter().map(|u| ((u + 1.0) * (below as f32 / 2.0)).floor() as usize).collect())
}
