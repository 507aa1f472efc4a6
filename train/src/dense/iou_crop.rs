//! Windows that overlap an object at least so much: the crop of SSD.

use super::fixed_crop::clipped;
use super::window::Window;
use super::{Scene, size};
use crate::Random;
use candle::Result;
use heads::boxes::{BBox, iou};
use heads::placement::Size;
use heads::retinanet::GroundTruth;

/// A random window that overlaps at least one object by a random minimum. Objects whose centres lie
/// outside are dropped.
///
/// # Source
/// SSD (arXiv 1512.02325), section 2.2; `RandomIoUCrop` in torchvision 0.29's
/// `transforms/v2/_geometry.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IouCrop {
    /// The smallest and the largest side, as a share of the picture's.
    pub sides: (f64, f64),
    /// The least and the greatest width over height.
    pub aspects: (f64, f64),
    /// Windows that are tried for a minimum before another one is drawn.
    pub trials: usize,
}

/// The minima; from 1 on the picture stays whole.
const OVERLAPS: [f32; 7] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0];

impl Default for IouCrop {
    /// SSD's.
    fn default() -> Self {
        Self { sides: (0.3, 1.0), aspects: (0.5, 2.0), trials: 40 }
    }
}

impl IouCrop {
    /// The part of the scene that was drawn; a scene without objects stays whole.
    ///
    /// # Errors
    /// None in practice: windows lie within the picture.
    pub fn apply(&self, scene: Scene, random: &mut Random) -> Result<Scene> {
        if scene.objects.is_empty() {
            return Ok(scene);
        }
        loop {
            let least = OVERLAPS[random.below(OVERLAPS.len())];
            if least >= 1.0 {
                return Ok(scene);
            }
            for _ in 0..self.trials {
                let Some(window) = self.window(size(&scene.picture), random) else { continue };
                if let Some(objects) = inside(&scene.objects, &window, least) {
                    return Ok(Scene { picture: window.of_picture(&scene.picture)?, objects });
                }
            }
        }
    }

    /// A window of an allowed shape, if one was drawn.
    fn window(&self, (height, width): Size, random: &mut Random) -> Option<Window> {
        let mut side =
            |side: usize| (side as f64 * random.range(self.sides.0, self.sides.1)) as usize;
        let (w, h) = (side(width), side(height));
        let aspect = w as f64 / h as f64;
        if w == 0 || h == 0 || !(self.aspects.0..=self.aspects.1).contains(&aspect) {
            return None;
        }
        let left = random.below(width - w + 1);
        Some(Window { left, top: random.below(height - h + 1), size: (h, w) })
    }
}

/// The objects with centres in the window, cut by it; none where no one of them overlaps it enough.
fn inside(objects: &[GroundTruth], window: &Window, least: f32) -> Option<Vec<GroundTruth>> {
    let bbox = whole(window);
    let within = |object: &&GroundTruth| {
        let [x1, y1, x2, y2] = object.bbox;
        let (x, y) = (0.5 * (x1 + x2), 0.5 * (y1 + y2));
        bbox[0] < x && x < bbox[2] && bbox[1] < y && y < bbox[3]
    };
    let kept: Vec<_> = objects.iter().filter(within).collect();
    let cut = |object: &&GroundTruth| GroundTruth {
        bbox: clipped(object.bbox, window),
        class_id: object.class_id,
    };
    let enough = kept.iter().any(|object| iou(object.bbox, bbox) >= least);
    enough.then(|| kept.iter().map(cut).collect())
}

fn whole(window: &Window) -> BBox {
    let (left, top) = (window.left as f32, window.top as f32);
    [left, top, left + window.size.1 as f32, top + window.size.0 as f32]
}
