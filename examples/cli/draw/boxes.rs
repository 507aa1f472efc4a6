//! Boxes with names.

use super::{Pen, canvas, colour, ink, letters};
use anyhow::Result;
use ghostnetv2::picture::Rgb8;
use heads::boxes::BBox;
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_text_mut, text_size};
use imageproc::rect::Rect;

/// A box to draw.
#[derive(Clone, Debug)]
pub struct Mark {
    /// In pixels of the picture.
    pub bbox: BBox,
    /// What is written above.
    pub text: String,
    /// Which tells the colour.
    pub class: usize,
}

impl Pen {
    /// The picture with boxes; the first ones lie on top.
    ///
    /// # Errors
    /// A picture whose bytes do not fit its size.
    pub fn boxes(&self, picture: &Rgb8, marks: &[Mark]) -> Result<RgbImage> {
        let mut image = canvas(picture)?;
        let line = (image.width().min(image.height()) / 200).clamp(2, 12);
        for mark in marks.iter().rev() {
            frame(&mut image, mark.bbox, line, colour(mark.class));
        }
        // After all lines, which would cross them out.
        marks.iter().rev().for_each(|mark| self.label(&mut image, mark));
        Ok(image)
    }

    /// Above the box, or within where there is no place above; never outside of the picture.
    fn label(&self, image: &mut RgbImage, mark: &Mark) {
        let scale = letters(image.width(), image.height());
        let (width, _) = text_size(scale, &self.font, &mark.text);
        let (pad, height) = (scale.y as i64 / 6, scale.y as i64);
        let (wide, high) = (i64::from(width) + 2 * pad, height + 2 * pad);
        let [left, top, ..] = pixels(mark.bbox);
        let x = left.min(i64::from(image.width()) - wide).max(0);
        let above = top - high;
        let y = if above >= 0 { above } else { top.min(i64::from(image.height()) - high).max(0) };
        let fill = colour(mark.class);
        fill_rect(image, [x, y, x + wide, y + high], fill);
        let (x, y) = ((x + pad) as i32, (y + pad) as i32);
        draw_text_mut(image, ink(fill), x, y, scale, &self.font, &mark.text);
    }
}

/// Whole pixels, and so near to any picture that they can be reckoned with.
fn pixels(bbox: BBox) -> [i64; 4] {
    bbox.map(|side| side.clamp(-1e6, 1e6).round() as i64)
}

/// Lines whose outer edges are the box's.
fn frame(image: &mut RgbImage, bbox: BBox, line: u32, colour: Rgb<u8>) {
    let line = i64::from(line);
    let [x1, y1, x2, y2] = pixels(bbox);
    let sides = [
        [x1, y1, x2, (y1 + line).min(y2)],
        [x1, (y2 - line).max(y1), x2, y2],
        [x1, y1, (x1 + line).min(x2), y2],
        [(x2 - line).max(x1), y1, x2, y2],
    ];
    sides.into_iter().for_each(|side| fill_rect(image, side, colour));
}

/// What of a rectangle lies on the picture, but at least a pixel's width of it.
pub(super) fn fill_rect(image: &mut RgbImage, [x1, y1, x2, y2]: [i64; 4], colour: Rgb<u8>) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (left, top) = (x1.clamp(0, width), y1.clamp(0, height));
    let (right, bottom) = (x2.max(x1 + 1).clamp(0, width), y2.max(y1 + 1).clamp(0, height));
    if right > left && bottom > top {
        let rect = Rect::at(left as i32, top as i32);
        let rect = rect.of_size((right - left) as u32, (bottom - top) as u32);
        draw_filled_rect_mut(image, rect, colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_lie_where_they_should_and_hostile_ones_nowhere() {
        let picture = Rgb8::new(100, 80, vec![0; 100 * 80 * 3]).unwrap();
        let mark = |bbox| Mark { bbox, text: "dog 0.5".into(), class: 4 };
        let pen = Pen::new(None).unwrap();
        let image = pen.boxes(&picture, &[mark([20.0, 40.0, 60.0, 70.0])]).unwrap();
        let at = |x, y| *image.get_pixel(x, y) == colour(4);
        assert!(at(20, 45) && at(21, 69) && at(59, 50) && at(40, 40));
        assert!(!at(19, 60) && !at(60, 60) && !at(40, 70) && !at(30, 60));
        for odd in [f32::NAN, f32::INFINITY, -1e30, 1e9] {
            let marks =
                [mark([odd; 4]), mark([5.0, 5.0, odd, odd]), mark([99.5, 79.5, 99.5, 79.5])];
            assert_eq!(pen.boxes(&picture, &marks).unwrap().dimensions(), (100, 80));
        }
        let one = Rgb8::new(1, 1, vec![0; 3]).unwrap();
        pen.boxes(&one, &[mark([0.0, 0.0, 1.0, 1.0])]).unwrap();
    }
}
