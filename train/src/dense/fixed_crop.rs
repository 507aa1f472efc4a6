//! Scenes that fit an input of fixed size.

use super::window::Window;
use super::{Scene, size};
use crate::Random;
use candle::Result;
use heads::boxes::{BBox, area};
use heads::placement::Size;
use heads::retinanet::GroundTruth;

/// Cuts a random window out of pictures that are larger than it.
///
/// Boxes are cut with it. Where a picture is smaller, all of it stays: it is padded when it is made
/// an input, on the side where inference pads.
///
/// # Source
/// `FixedSizeCrop` in torchvision 0.29's `references/detection/transforms.py`, which keeps every box
/// that has an area left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedCrop {
    /// Height and width of the window.
    pub size: Size,
    /// Boxes of which a smaller share of the area is left are dropped.
    pub visible: f32,
    /// Boxes with a shorter side, in pixels, are dropped.
    pub shortest: f32,
}

impl FixedCrop {
    /// The scene, no larger than the window.
    ///
    /// # Errors
    /// None in practice: the window lies within the picture.
    pub fn apply(&self, scene: Scene, random: &mut Random) -> Result<Scene> {
        let (height, width) = size(&scene.picture);
        let kept = (height.min(self.size.0), width.min(self.size.1));
        let top = random.below(height - kept.0 + 1);
        let left = random.below(width - kept.1 + 1);
        let window = Window { left, top, size: kept };
        let picture = match kept == (height, width) {
            true => scene.picture,
            false => window.of_picture(&scene.picture)?,
        };
        let objects = scene.objects.iter().filter_map(|object| self.cut(object, &window));
        Ok(Scene { picture, objects: objects.collect() })
    }

    fn cut(&self, object: &GroundTruth, window: &Window) -> Option<GroundTruth> {
        let bbox = clipped(object.bbox, window);
        let whole = area(object.bbox);
        let [width, height] = [bbox[2] - bbox[0], bbox[3] - bbox[1]];
        let seen = width > 0.0 && height > 0.0 && width.min(height) >= self.shortest;
        (seen && area(bbox) >= self.visible * whole).then_some(GroundTruth { bbox, ..*object })
    }
}

/// What of a box lies in a window, in pixels of the window; it may have no area.
pub(super) fn clipped([x1, y1, x2, y2]: BBox, window: &Window) -> BBox {
    let x = |x: f32| (x - window.left as f32).clamp(0.0, window.size.1 as f32);
    let y = |y: f32| (y - window.top as f32).clamp(0.0, window.size.0 as f32);
    [x(x1), y(y1), x(x2), y(y2)]
}
