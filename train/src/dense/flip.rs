//! Mirroring: left becomes right.

use super::{Labelled, Scene};
use candle::{Error, Result};
use ghostnetv2::picture::Rgb8;
use heads::retinanet::GroundTruth;
use heads::segmentation::LabelMap;

/// A picture with left and right exchanged.
///
/// # Errors
/// None in practice: a picture stays as large as it is.
pub fn mirrored(picture: &Rgb8) -> Result<Rgb8> {
    let pixels = reversed(picture.pixels(), picture.width() as usize, 3);
    Rgb8::new(picture.width(), picture.height(), pixels).map_err(Error::wrap)
}

impl Scene {
    /// Left and right exchanged.
    ///
    /// # Errors
    /// As [`mirrored`].
    pub fn mirrored(self) -> Result<Self> {
        let width = self.picture.width() as f32;
        let object = |GroundTruth { bbox: [x1, y1, x2, y2], class_id }: GroundTruth| GroundTruth {
            bbox: [width - x2, y1, width - x1, y2],
            class_id,
        };
        let objects = self.objects.into_iter().map(object).collect();
        Ok(Self { picture: mirrored(&self.picture)?, objects })
    }
}

impl Labelled {
    /// Left and right exchanged.
    ///
    /// # Errors
    /// As [`mirrored`].
    pub fn mirrored(self) -> Result<Self> {
        let (size, labels) = (self.labels.size(), self.labels.labels());
        let labels = LabelMap::new(size, reversed(labels, size.1, 1))?;
        Ok(Self { picture: mirrored(&self.picture)?, labels })
    }
}

/// Rows of `width` values of `each` bytes, each row backwards.
fn reversed(values: &[u8], width: usize, each: usize) -> Vec<u8> {
    let rows = values.chunks_exact((width * each).max(1));
    rows.flat_map(|row| row.rchunks_exact(each)).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_back() {
        let picture = Rgb8::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let objects = vec![GroundTruth { bbox: [0.0, 0.0, 0.5, 1.0], class_id: 3 }];
        let scene = Scene { picture: picture.clone(), objects };
        let turned = scene.clone().mirrored().unwrap();
        assert_eq!(turned.picture.pixels(), [4, 5, 6, 1, 2, 3]);
        assert_eq!(turned.objects[0].bbox, [1.5, 0.0, 2.0, 1.0]);
        assert_eq!(turned.mirrored().unwrap(), scene);
        let labels = LabelMap::new((1, 2), vec![7, 255]).unwrap();
        let turned = Labelled { picture, labels }.mirrored().unwrap();
        assert_eq!(turned.labels.labels(), [255, 7]);
    }
}
