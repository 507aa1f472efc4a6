//! Parts of pictures and of label maps.

use super::size;
use candle::{Error, Result, bail};
use ghostnetv2::picture::Rgb8;
use heads::placement::Size;
use heads::segmentation::{LabelMap, UNLABELLED};

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) left: usize,
    pub(super) top: usize,
    /// Height and width.
    pub(super) size: Size,
}

impl Window {
    /// What of a picture lies in this window, which must not reach beyond it.
    pub(super) fn of_picture(&self, picture: &Rgb8) -> Result<Rgb8> {
        let pixels = self.rows(picture.pixels(), size(picture), 3)?;
        Rgb8::new(self.size.1 as u32, self.size.0 as u32, pixels).map_err(Error::wrap)
    }

    /// What of a label map lies in this window, which must not reach beyond it.
    pub(super) fn of_labels(&self, labels: &LabelMap) -> Result<LabelMap> {
        LabelMap::new(self.size, self.rows(labels.labels(), labels.size(), 1)?)
    }

    fn rows(&self, values: &[u8], from: Size, each: usize) -> Result<Vec<u8>> {
        let (height, width) = self.size;
        if self.top + height > from.0 || self.left + width > from.1 {
            bail!("{self:?} of a picture of {from:?}")
        }
        let rows = values.chunks_exact(from.1 * each).skip(self.top).take(height);
        Ok(rows.flat_map(|row| &row[self.left * each..][..width * each]).copied().collect())
    }
}

/// The same label map with pixels of no class to the right and below.
pub(super) fn padded(labels: &LabelMap, to: Size) -> Result<LabelMap> {
    let (height, width) = labels.size();
    let mut values = Vec::with_capacity(to.0 * to.1);
    for row in labels.labels().chunks_exact(width.max(1)) {
        values.extend_from_slice(row);
        values.resize(values.len() + to.1.saturating_sub(width), UNLABELLED);
    }
    values.resize(values.len() + to.0.saturating_sub(height) * to.1.max(width), UNLABELLED);
    LabelMap::new((to.0.max(height), to.1.max(width)), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_padding_by_hand() {
        let map = LabelMap::new((2, 3), vec![0, 1, 2, 3, 4, 5]).unwrap();
        let window = Window { left: 1, top: 0, size: (2, 2) };
        let part = window.of_labels(&map).unwrap();
        assert_eq!(part.labels(), [1, 2, 4, 5]);
        assert_eq!(padded(&part, (3, 3)).unwrap().labels(), [1, 2, 255, 4, 5, 255, 255, 255, 255]);
        assert_eq!(padded(&part, (1, 1)).unwrap(), part);
        let picture = Rgb8::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let right = Window { left: 1, top: 0, size: (1, 1) };
        assert_eq!(right.of_picture(&picture).unwrap().pixels(), [4, 5, 6]);
        assert!(window.of_picture(&picture).is_err());
    }
}
