//! From the logits of a batch to the label maps of its pictures, whole or from windows.

use super::labels::{Logits, Rows, highest};
use super::{LabelMap, Sliding};
use crate::placement::{Batch, Placement, Size};
use candle::{Result, Tensor, bail};

/// The classes of each picture's own pixels, from the logits of the batch: resized to the input,
/// freed of padding, resized to the picture; then the highest wins.
///
/// # Errors
/// Logits of another batch, or such that are no numbers.
pub(crate) fn label_maps(
    logits: &Tensor,
    batch: &Batch,
    align_corners: bool,
) -> Result<Vec<LabelMap>> {
    let (logits, input) = (Logits::of_batch(logits)?, batch.size()?);
    if logits.len() != batch.placements.len() {
        bail!("logits of {} pictures, expected {}", logits.len(), batch.placements.len())
    }
    let map = |(logits, placement): (&Logits, &Placement)| {
        in_picture(logits.rows().resized(logits.size, input, align_corners), placement)
    };
    logits.iter().zip(&batch.placements).map(map).collect()
}

/// The same from windows that slide over the input, whose logits of so many classes `forward`
/// gives.
///
/// # Errors
/// What `forward` says, windows that leave gaps, more logits than there is memory for.
pub(crate) fn slide(
    (classes, align_corners): (usize, bool),
    batch: &Batch,
    sliding: Sliding,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<LabelMap>> {
    let input = batch.size()?;
    let (corners, size) = sliding.windows(input)?;
    let blank = |_| Logits::zeros(input, classes);
    let mut sums = batch.placements.iter().map(blank).collect::<Result<Vec<_>>>()?;
    let mut counts = vec![0f32; input.0 * input.1];
    for (y, x) in corners {
        let window = batch.pixels.narrow(2, y, size.0)?.narrow(3, x, size.1)?;
        let logits = Logits::of_batch(&forward(&window.contiguous()?)?)?;
        for (logits, sum) in logits.iter().zip(&mut sums) {
            add(logits.rows().resized(logits.size, size, align_corners), size, sum, (y, x));
        }
        for row in counts.chunks_exact_mut(input.1).skip(y).take(size.0) {
            row[x..x + size.1].iter_mut().for_each(|count| *count += 1.0);
        }
    }
    let map = |(sum, placement): (&mut Logits, &Placement)| {
        for (pixel, count) in sum.values.chunks_exact_mut(classes).zip(&counts) {
            pixel.iter_mut().for_each(|value| *value /= count);
        }
        in_picture(sum.rows(), placement)
    };
    sums.iter_mut().zip(&batch.placements).map(map).collect()
}

/// Labels of a picture, from rows of the input's size.
fn in_picture(rows: Rows, placement: &Placement) -> Result<LabelMap> {
    let Placement { original, resized, .. } = *placement;
    let labels = highest(rows.resized(resized, original, false), original.0);
    LabelMap::new(original, labels)
}

/// Adds the logits of a window to those of the input.
fn add(mut rows: Rows, window: Size, sum: &mut Logits, (y, x): (usize, usize)) {
    let (width, classes) = (sum.size.1, sum.classes);
    let mut row = Vec::new();
    for i in 0..window.0 {
        rows.read(i, &mut row);
        let target = &mut sum.values[((y + i) * width + x) * classes..][..row.len()];
        target.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value);
    }
}
