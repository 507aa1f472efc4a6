//! The class of every pixel.

use crate::placement::Size;
use candle::{Result, bail};

/// The label of pixels that have no class; metrics and losses pass them by.
pub const UNLABELLED: u8 = 255;

/// The class of every pixel of a picture, row by row.
///
/// # Example
/// ```
/// use heads::segmentation::LabelMap;
/// let map = LabelMap::new((1, 4), vec![0, 2, 2, 255]).unwrap();
/// assert_eq!(map.counts(3), [1, 0, 2]);
/// assert!(LabelMap::new((2, 2), vec![0]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    size: Size,
    labels: Vec<u8>,
}

impl LabelMap {
    /// A map of a size, height and width.
    ///
    /// # Errors
    /// Another number of labels than of pixels.
    pub fn new(size: Size, labels: Vec<u8>) -> Result<Self> {
        if size.0.checked_mul(size.1) != Some(labels.len()) {
            bail!("{} labels for {}x{} pixels", labels.len(), size.0, size.1)
        }
        Ok(Self { size, labels })
    }

    /// Height and width.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All labels, row by row.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// How many pixels each of so many classes has.
    pub fn counts(&self, classes: usize) -> Vec<u64> {
        let mut all = [0; 256];
        self.labels.iter().for_each(|&label| all[usize::from(label)] += 1);
        all[..classes.min(256)].to_vec()
    }
}
