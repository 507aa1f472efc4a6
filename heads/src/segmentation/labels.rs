//! From logits to the labels of a picture's pixels: logits are resized, then the highest wins.
//!
//! Resized logits of 150 classes would fill hundreds of megabytes. Here they exist for a row at a
//! time, all classes of a pixel together.

use crate::placement::Size;
use candle::{DType, Device, Result, Tensor, bail};
use ghostnetv2::ops::{BilinearTaps, bilinear_taps};

/// Logits of a picture, `[H, W, classes]`.
#[derive(Clone, Debug)]
pub(super) struct Logits {
    pub(super) values: Vec<f32>,
    pub(super) size: Size,
    pub(super) classes: usize,
}

impl Logits {
    /// Logits of each picture of a batch, `[B, classes, H, W]`.
    ///
    /// # Errors
    /// Values that are no numbers: whichever class they would name, it would be wrong.
    pub(super) fn of_batch(logits: &Tensor) -> Result<Vec<Self>> {
        let (b, classes, h, w) = logits.dims4()?;
        let logits = logits.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let picture = |i: usize| {
            let values = logits.get(i)?.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?;
            if values.iter().any(|value| value.is_nan()) {
                bail!("picture {i} of the batch: the network's scores are not numbers (NaN)")
            }
            Ok(Self { values, size: (h, w), classes })
        };
        (0..b).map(picture).collect()
    }

    /// For sums of logits of all of an input's pixels.
    ///
    /// # Errors
    /// More than there is memory for.
    pub(super) fn zeros(size: Size, classes: usize) -> Result<Self> {
        let pixels = size.0.checked_mul(size.1);
        let count = pixels.and_then(|pixels| pixels.checked_mul(classes));
        let mut values = Vec::new();
        if count.is_none_or(|count| values.try_reserve_exact(count).is_err()) {
            let (h, w) = size;
            bail!("no memory for {classes} classes of {h}x{w} pixels: choose a smaller input")
        }
        values.resize(count.unwrap_or_default(), 0.0);
        Ok(Self { values, size, classes })
    }

    /// As rows to be resized.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { width: self.size.1, classes: self.classes, source: Source::Stored(&self.values) }
    }
}

/// Rows of logits, each `[width, classes]`, in memory or computed when they are asked for.
pub(super) struct Rows<'a> {
    width: usize,
    classes: usize,
    source: Source<'a>,
}

enum Source<'a> {
    Stored(&'a [f32]),
    Resized(Box<Resized<'a>>),
}

struct Resized<'a> {
    from: Rows<'a>,
    rows: Vec<BilinearTaps>,
    columns: Vec<BilinearTaps>,
    /// The two source rows in use.
    known: [(Option<usize>, Vec<f32>); 2],
    mixed: Vec<f32>,
}

impl<'a> Rows<'a> {
    /// The top left `part` of these, resized to `to`.
    pub(super) fn resized(self, part: Size, to: Size, align_corners: bool) -> Self {
        let resized = Resized {
            rows: bilinear_taps(part.0, to.0, align_corners),
            columns: bilinear_taps(part.1, to.1, align_corners),
            known: Default::default(),
            mixed: Vec::new(),
            from: self,
        };
        let classes = resized.from.classes;
        Self { width: to.1, classes, source: Source::Resized(Box::new(resized)) }
    }

    /// Puts row `y` into `row`.
    pub(super) fn read(&mut self, y: usize, row: &mut Vec<f32>) {
        let length = self.width * self.classes;
        row.clear();
        match &mut self.source {
            Source::Stored(values) => row.extend_from_slice(&values[y * length..][..length]),
            Source::Resized(resized) => resized.read(y, row),
        }
    }
}

impl Resized<'_> {
    fn read(&mut self, y: usize, row: &mut Vec<f32>) {
        let BilinearTaps { first, second, share } = self.rows[y];
        if self.known[1].0 == Some(first) {
            self.known.swap(0, 1);
        }
        for ((number, values), wanted) in self.known.iter_mut().zip([first, second]) {
            if *number != Some(wanted) {
                self.from.read(wanted, values);
                *number = Some(wanted);
            }
        }
        mix(&self.known[0].1, &self.known[1].1, share, &mut self.mixed);
        let classes = self.from.classes;
        for taps in &self.columns {
            let pixel = |column: usize| &self.mixed[column * classes..][..classes];
            let both = pixel(taps.first).iter().zip(pixel(taps.second));
            row.extend(both.map(|(a, b)| a * (1.0 - taps.share) + b * taps.share));
        }
    }
}

fn mix(first: &[f32], second: &[f32], share: f32, mixed: &mut Vec<f32>) {
    mixed.clear();
    let both = first.iter().zip(second);
    mixed.extend(both.map(|(a, b)| a * (1.0 - share) + b * share));
}

/// The class of the highest logit of each pixel of so many rows; the first of equals.
pub(super) fn highest(mut rows: Rows, height: usize) -> Vec<u8> {
    let classes = rows.classes;
    let mut labels = Vec::with_capacity(height * rows.width);
    let mut row = Vec::new();
    for y in 0..height {
        rows.read(y, &mut row);
        labels.extend(row.chunks_exact(classes).map(|pixel| {
            let top = pixel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            pixel.iter().position(|&value| value == top).unwrap_or(0) as u8
        }));
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostnetv2::ops::upsample_bilinear2d as resize;

    #[test]
    fn rows_are_those_of_resized_maps() -> Result<()> {
        let x = Tensor::rand(-1f32, 1.0, (1, 3, 5, 7), &Device::Cpu)?;
        let logits = &Logits::of_batch(&x)?[0];
        for align in [false, true] {
            let twice = logits.rows().resized((5, 7), (20, 28), align);
            let mut twice = twice.resized((17, 26), (9, 40), false);
            let expected = resize(&x, (20, 28), align)?.narrow(2, 0, 17)?.narrow(3, 0, 26)?;
            let expected = resize(&expected, (9, 40), false)?.permute((0, 2, 3, 1))?;
            let expected = expected.flatten_all()?.to_vec1::<f32>()?;
            let mut row = Vec::new();
            for (y, expected) in expected.chunks_exact(40 * 3).enumerate() {
                twice.read(y, &mut row);
                assert!(row.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "row {y}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_first_of_equals_wins_and_what_is_no_number_is_refused() -> Result<()> {
        let values = [[1f32, 2.0], [1.0, 3.0], [0.0, 3.0]]; // [classes, W]
        let x = Tensor::new(&values, &Device::Cpu)?.reshape((1, 3, 1, 2))?;
        let logits = &Logits::of_batch(&x)?[0];
        assert_eq!(highest(logits.rows(), 1), [0, 1]);
        let odd = Tensor::full(f32::NAN, (1, 3, 1, 2), &Device::Cpu)?;
        assert!(Logits::of_batch(&odd).is_err());
        let low = Tensor::full(f32::NEG_INFINITY, (1, 3, 1, 2), &Device::Cpu)?;
        assert_eq!(highest(Logits::of_batch(&low)?[0].rows(), 1), [0, 0]);
        Ok(())
    }
}
