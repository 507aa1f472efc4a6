//! Augmentation of pictures together with what is marked on them: boxes, and classes of pixels.
//!
//! Every step takes a [`Scene`] or a [`Labelled`] and gives another, and draws what is random from
//! the [`Random`](crate::Random) that it is given and from nothing else.

mod colour;
mod detection;
mod fixed_crop;
mod flip;
mod iou_crop;
mod label_crop;
mod scale_jitter;
mod segmentation;
mod window;

pub use colour::PhotometricDistortion;
pub use detection::DetectionAugment;
pub use fixed_crop::FixedCrop;
pub use flip::mirrored;
pub use iou_crop::IouCrop;
pub use label_crop::LabelCrop;
pub use scale_jitter::ScaleJitter;
pub use segmentation::SegmentationAugment;

use ghostnetv2::picture::Rgb8;
use heads::placement::Size;
use heads::retinanet::GroundTruth;
use heads::segmentation::LabelMap;

/// A picture and the objects in it, in its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The picture.
    pub picture: Rgb8,
    /// Left, top, right and bottom lie within the picture.
    pub objects: Vec<GroundTruth>,
}

/// A picture and the classes of its pixels; both have the same size.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The picture.
    pub picture: Rgb8,
    /// The classes.
    pub labels: LabelMap,
}

/// Height and width.
fn size(picture: &Rgb8) -> Size {
    (picture.height() as usize, picture.width() as usize)
}
