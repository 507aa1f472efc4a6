//! How pictures are fitted to a detector's input, and boxes back to the pictures.

use crate::boxes::BBox;
use candle::{Result, Tensor, bail};
use ghostnetv2::MIN_SIDE;

/// Height and width in pixels.
pub type Size = (usize, usize);

/// The longest side of a network's input.
const MAX_SIDE: usize = 1 << 14;

/// From pictures to a network's input. Pictures keep their shape, and are padded with zeros to the
/// right and below after they have been normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputConfig {
    /// What the shorter side becomes, unless that would make the longer one too long.
    pub short_side: usize,
    /// What the longer side becomes at most.
    pub long_side: usize,
    /// Whose resampling.
    pub resampling: Resampling,
    /// How far it is padded.
    pub padding: Padding,
    /// What is subtracted from red, green and blue, on a scale from 0 to 1.
    pub mean: [f32; 3],
    /// What they are divided by after that.
    pub std: [f32; 3],
}

/// Whose bilinear resampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resampling {
    /// PyTorch's `interpolate`, of normalised pictures; sizes are rounded down.
    Torch,
    /// OpenCV's `resize`, of bytes; sizes are rounded.
    OpenCv,
    /// Pillow's `resize`, of bytes, which looks at all pixels when it shrinks; sizes are rounded.
    Pillow,
}

/// How far pictures are padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// To the next multiple of so many pixels that a backbone takes, and to the largest picture of
    /// the batch.
    Multiple(usize),
    /// To a square, so that all inputs have the same size.
    Square(usize),
}

impl InputConfig {
    /// 800 to 1333 pixels, as torchvision.
    ///
    /// # Source
    /// `GeneralizedRCNNTransform` in torchvision's `models/detection/transform.py`.
    pub fn torchvision() -> Self {
        Self {
            short_side: 800,
            long_side: 1333,
            resampling: Resampling::Torch,
            padding: Padding::Multiple(32),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }

    /// 800 to 1333 pixels, as mmdetection.
    ///
    /// # Source
    /// `test_pipeline` of `configs/_base_/datasets/coco_detection.py` and the `data_preprocessor`
    /// of `configs/_base_/models/retinanet_r50_fpn.py` in mmdetection 3.3.
    pub fn mmdet() -> Self {
        Self { resampling: Resampling::OpenCv, ..Self::torchvision() }
    }

    /// A square of so many pixels.
    pub fn lite(side: usize) -> Self {
        Self {
            short_side: side,
            long_side: side,
            resampling: Resampling::Pillow,
            padding: Padding::Square(side),
            ..Self::torchvision()
        }
    }

    /// The same for another size: what the shorter side becomes. The longest side grows or shrinks
    /// with it, and so does a square.
    pub fn with_side(self, side: usize) -> Self {
        let grown = |old: usize| {
            let grown = old as f64 * side as f64 / self.short_side.max(1) as f64;
            grown.round() as usize
        };
        let padding = match self.padding {
            Padding::Square(old) => Padding::Square(grown(old)),
            multiple => multiple,
        };
        Self { short_side: side, long_side: grown(self.long_side), padding, ..self }
    }

    /// Where a picture of a size comes to lie.
    ///
    /// # Source
    /// `_resize_image_and_masks` in torchvision's `transform.py` (down); `rescale_size` in mmcv's
    /// `image/geometric.py` (to the nearest).
    pub fn place(&self, original: Size) -> Placement {
        let (h, w) = (original.0 as f64, original.1 as f64);
        let by_short = self.short_side as f64 / h.min(w);
        let scale = by_short.min(self.long_side as f64 / h.max(w));
        let resized = |side: f64| {
            let scaled = match self.resampling {
                Resampling::Torch => (side * scale).floor(),
                Resampling::OpenCv | Resampling::Pillow => (side * scale + 0.5).floor(),
            };
            (scaled as usize).max(1)
        };
        let resized = (resized(h), resized(w));
        let padded = match self.padding {
            Padding::Multiple(n) => {
                let padded = |side: usize| side.max(MIN_SIDE).next_multiple_of(n.max(1));
                (padded(resized.0), padded(resized.1))
            }
            Padding::Square(side) => (side.max(resized.0), side.max(resized.1)),
        };
        Placement { original, resized, padded }
    }

    /// Refuses what no picture can be fitted to.
    ///
    /// # Errors
    /// Sides of 0 or more than 16384 pixels, a padding that is none, a deviation of 0.
    pub fn check(&self) -> Result<()> {
        let padding = match self.padding {
            Padding::Multiple(n) | Padding::Square(n) => n,
        };
        for (name, pixels) in
            [("short_side", self.short_side), ("long_side", self.long_side), ("padding", padding)]
        {
            if !(1..=MAX_SIDE).contains(&pixels) {
                bail!("{name} of {pixels} pixels: expected 1 to {MAX_SIDE}")
            }
        }
        if self.std.iter().any(|std| !std.is_normal()) || self.mean.iter().any(|m| !m.is_finite()) {
            bail!("mean {:?} and std {:?}: expected numbers, and no std of 0", self.mean, self.std)
        }
        Ok(())
    }
}

/// Where a picture lies in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its size before.
    pub original: Size,
    /// Its size in the input; it lies at the top left.
    pub resized: Size,
    /// The size that it is padded to by itself, without regard to others of the batch.
    pub padded: Size,
}

impl Placement {
    /// A picture that is an input as it is.
    pub fn unchanged(size: Size) -> Self {
        Self { original: size, resized: size, padded: size }
    }

    /// A box of the input in pixels of the picture.
    pub fn to_picture(&self, bbox: BBox) -> BBox {
        scaled(bbox, self.resized, self.original)
    }

    /// A box of the picture in pixels of the input.
    pub fn to_input(&self, bbox: BBox) -> BBox {
        scaled(bbox, self.original, self.resized)
    }
}

fn scaled([x1, y1, x2, y2]: BBox, from: Size, to: Size) -> BBox {
    let (y, x) = (to.0 as f32 / from.0 as f32, to.1 as f32 / from.1 as f32);
    [x1 * x, y1 * y, x2 * x, y2 * y]
}

/// Pictures as a network takes them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, 3, H, W]`, normalised.
    pub pixels: Tensor,
    /// Where each picture lies in it.
    pub placements: Vec<Placement>,
}

impl Batch {
    /// Pictures that have been made ready already; boxes are in their pixels.
    ///
    /// # Errors
    /// Another shape than `[B, 3, H, W]`.
    pub fn of_inputs(pixels: Tensor) -> Result<Self> {
        let (b, _, h, w) = pixels.dims4()?;
        Ok(Self { pixels, placements: vec![Placement::unchanged((h, w)); b] })
    }

    /// Height and width of the input.
    ///
    /// # Errors
    /// Another shape than `[B, 3, H, W]`, not one place for each picture, or a picture that would
    /// lie outside.
    pub fn size(&self) -> Result<Size> {
        let (b, _, h, w) = self.pixels.dims4()?;
        if self.placements.len() != b {
            bail!(
                "places of {} pictures in an input of {b}: expected as many",
                self.placements.len()
            )
        }
        let sound = |size: Size, most: Size| {
            (1..=most.0).contains(&size.0) && (1..=most.1).contains(&size.1)
        };
        let largest = (usize::MAX, usize::MAX);
        let unsound = |p: &&Placement| !(sound(p.resized, (h, w)) && sound(p.original, largest));
        if let Some(placement) = self.placements.iter().find(unsound) {
            let Placement { original, resized, .. } = placement;
            bail!("a picture of {original:?} that fills {resized:?} of an input of {h}x{w} pixels")
        }
        Ok((h, w))
    }

    /// What is of picture `picture` in values of the whole batch.
    pub(crate) fn share<'a>(&self, values: &'a [f32], picture: usize) -> &'a [f32] {
        let each = values.len() / self.placements.len().max(1);
        &values[picture * each..][..each]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_each_framework_does() {
        // 427 * 1333 / 640 = 889.4 > 800, so that the shorter side decides: 640 * 800 / 427 = 1199.06.
        let place = |input: InputConfig, size| input.place(size).resized;
        assert_eq!(place(InputConfig::torchvision(), (427, 640)), (800, 1199));
        assert_eq!(place(InputConfig::mmdet(), (427, 640)), (800, 1199));
        // 500 * 1333 / 1000 = 666.5: the longer side decides.
        assert_eq!(place(InputConfig::torchvision(), (500, 1000)), (666, 1333));
        assert_eq!(place(InputConfig::mmdet(), (500, 1000)), (667, 1333));
        assert_eq!(InputConfig::mmdet().place((500, 1000)).padded, (672, 1344));
        let lite = InputConfig::lite(320).place((500, 1000));
        assert_eq!((lite.resized, lite.padded), ((160, 320), (320, 320)));
        // A line of pixels is padded to what a backbone takes.
        let line = InputConfig::torchvision().place((1, 65535));
        assert_eq!((line.resized, line.padded), ((1, 1333), (64, 1344)));
    }

    #[test]
    fn boxes_go_there_and_back() {
        let placement = InputConfig::mmdet().place((500, 1000));
        let bbox = [10.0, 20.0, 900.0, 480.0];
        let back = placement.to_picture(placement.to_input(bbox));
        assert!(back.iter().zip(bbox).all(|(a, b)| (a - b).abs() < 1e-3));
        assert_eq!(placement.to_input([0.0, 0.0, 1000.0, 500.0]), [0.0, 0.0, 1333.0, 667.0]);
    }

    #[test]
    fn other_sizes_keep_the_shape() {
        let input = InputConfig::torchvision().with_side(400);
        assert_eq!((input.short_side, input.long_side), (400, 667));
        assert_eq!(InputConfig::lite(320).with_side(384), InputConfig::lite(384));
        assert!(InputConfig::lite(320).with_side(0).check().is_err());
        assert!(InputConfig { std: [0.0; 3], ..input }.check().is_err());
    }
}
