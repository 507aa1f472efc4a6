//! Bilinear resampling of bytes as OpenCV does it: in fixed point, so that the bytes are the same.
//!
//! # Source
//! `INTER_LINEAR` for `CV_8U` in OpenCV 4's `imgproc/src/resize.cpp`.

use crate::placement::Size;

/// Weights are whole numbers of this part.
const ONE: i32 = 1 << 11;

/// Resizes interleaved pixels of three bytes.
pub(super) fn resize(bytes: &[u8], from: Size, to: Size) -> Vec<u8> {
    if from == to {
        return bytes.to_vec();
    }
    let (from_row, to_row) = (from.1 * 3, to.1 * 3);
    if from == (2 * to.0, 2 * to.1) {
        return halved(bytes, from_row);
    }
    let columns: Vec<Taps> = (0..to.1).map(|x| Taps::new(x, from.1, to.1).inside()).collect();
    let mut resized = Vec::with_capacity(to.0 * to_row);
    // The two source rows in use, mixed horizontally already.
    let mut mixed: [(Option<usize>, Vec<i32>); 2] = Default::default();
    for y in 0..to.0 {
        let Taps { first, second, weights } = Taps::new(y, from.0, to.0);
        if mixed[1].0 == Some(first) {
            mixed.swap(0, 1);
        }
        for ((known, values), row) in mixed.iter_mut().zip([first, second]) {
            if *known != Some(row) {
                *known = Some(row);
                mix(&bytes[row * from_row..][..from_row], &columns, values);
            }
        }
        let rows = mixed[0].1.iter().zip(&mixed[1].1);
        resized.extend(rows.map(|(&upper, &lower)| {
            let share = |weight: i32, value: i32| (weight * (value >> 4)) >> 16;
            ((share(weights[0], upper) + share(weights[1], lower) + 2) >> 2).clamp(0, 255) as u8
        }));
    }
    resized
}

/// Half of both sides, exactly: OpenCV takes the mean of four then.
fn halved(bytes: &[u8], row: usize) -> Vec<u8> {
    let pairs = bytes.chunks_exact(2 * row).map(|rows| rows.split_at(row));
    pairs
        .flat_map(|(upper, lower)| {
            let fours = upper.chunks_exact(6).zip(lower.chunks_exact(6));
            fours.flat_map(|(upper, lower)| {
                [0, 1, 2].map(|colour| {
                    let values =
                        [upper[colour], upper[colour + 3], lower[colour], lower[colour + 3]];
                    ((values.map(u32::from).iter().sum::<u32>() + 2) >> 2) as u8
                })
            })
        })
        .collect()
}

/// The pixels that one is mixed of, and their weights.
struct Taps {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

impl Taps {
    fn new(i: usize, from: usize, to: usize) -> Self {
        let scale = 1.0 / (to as f64 / from as f64);
        let place = ((i as f64 + 0.5) * scale - 0.5) as f32;
        let cell = place.floor();
        let share = place - cell;
        let weight = |share: f32| (share * ONE as f32).round_ties_even() as i32;
        let inside = |cell: f32| (cell.max(0.0) as usize).min(from - 1);
        let weights = [weight(1.0 - share), weight(share)];
        // Equal taps at the border, where rows keep both weights.
        Self { first: inside(cell), second: inside(cell + 1.0), weights }
    }

    /// Columns do not mix a border pixel with itself.
    fn inside(self) -> Self {
        match self.first == self.second {
            true => Self { weights: [ONE, 0], ..self },
            false => self,
        }
    }
}

fn mix(row: &[u8], columns: &[Taps], values: &mut Vec<i32>) {
    values.clear();
    values.extend(columns.iter().flat_map(|taps| {
        [0, 1, 2].map(|colour| {
            let pixel = |column: usize| i32::from(row[column * 3 + colour]);
            pixel(taps.first) * taps.weights[0] + pixel(taps.second) * taps.weights[1]
        })
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle::{Device, Tensor};

    /// The fixture is made by `scripts/make_detection_fixtures.py`.
    #[test]
    fn bytes_are_those_of_opencv() -> candle::Result<()> {
        let file =
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/detection/opencv.safetensors");
        let stored = candle::safetensors::load(file, &Device::Cpu)?;
        let read = |tensor: &Tensor| -> candle::Result<(Size, Vec<u8>)> {
            let (h, w, _) = tensor.dims3()?;
            Ok(((h, w), tensor.flatten_all()?.to_vec1()?))
        };
        assert_eq!(stored.len(), 10);
        for number in 0..5 {
            let (from, bytes) = read(&stored[&format!("{number}/from")])?;
            let (to, expected) = read(&stored[&format!("{number}/to")])?;
            assert!(resize(&bytes, from, to) == expected, "{from:?} to {to:?}");
        }
        Ok(())
    }

    #[test]
    fn a_flat_picture_stays_so() {
        for (from, to) in [((5, 7), (9, 3)), ((4, 6), (2, 3)), ((1, 1), (8, 8)), ((3, 3), (3, 3))] {
            let flat = vec![201; from.0 * from.1 * 3];
            assert_eq!(resize(&flat, from, to), vec![201; to.0 * to.1 * 3], "{from:?} to {to:?}");
        }
    }
}
