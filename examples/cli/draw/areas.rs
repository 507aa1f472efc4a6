//! Areas in colours, and their legend.

use super::boxes::fill_rect;
use super::{Pen, canvas, colour, letters};
use anyhow::Result;
use ghostnetv2::picture::Rgb8;
use heads::segmentation::{LabelMap, UNLABELLED};
use image::{Rgb, RgbImage};
use imageproc::drawing::{draw_text_mut, text_size};

/// Classes that are explained below a picture: number and words.
#[derive(Clone, Debug, Default)]
pub struct Legend(pub Vec<(usize, String)>);

impl Pen {
    /// The picture under colours of an opacity from 0 to 1, and below it the legend.
    ///
    /// # Errors
    /// A picture whose bytes do not fit its size.
    pub fn areas(
        &self,
        picture: &Rgb8,
        map: &LabelMap,
        opacity: f32,
        legend: &Legend,
    ) -> Result<RgbImage> {
        let mut image = canvas(picture)?;
        let mix = |old: u8, new: u8| {
            (f32::from(old) * (1.0 - opacity) + f32::from(new) * opacity).round() as u8
        };
        for (pixel, &label) in image.pixels_mut().zip(map.labels()) {
            if label != UNLABELLED {
                let Rgb(new) = colour(usize::from(label));
                pixel.0 = std::array::from_fn(|i| mix(pixel.0[i], new[i]));
            }
        }
        Ok(self.with_legend(&image, legend))
    }

    /// White lines of squares and words below the picture.
    fn with_legend(&self, image: &RgbImage, Legend(entries): &Legend) -> RgbImage {
        let (width, height) = image.dimensions();
        let scale = letters(width, height);
        let (side, gap) = (scale.y as i64, scale.y as i64 / 3);
        let line = side + gap;
        let (mut x, mut y) = (gap, i64::from(height) + gap);
        let mut places = Vec::with_capacity(entries.len());
        for (class, words) in entries {
            let wide = side + gap + i64::from(text_size(scale, &self.font, words).0) + 2 * gap;
            if x > gap && x + wide > i64::from(width) {
                (x, y) = (gap, y + line);
            }
            places.push((*class, words, x, y));
            x += wide;
        }
        let below = if entries.is_empty() { 0 } else { y + line - i64::from(height) };
        let mut whole = RgbImage::from_pixel(width, height + below as u32, Rgb([255; 3]));
        image::imageops::replace(&mut whole, image, 0, 0);
        for (class, words, x, y) in places {
            fill_rect(&mut whole, [x, y, x + side, y + side], colour(class));
            let (left, top) = ((x + side + gap) as i32, y as i32);
            draw_text_mut(&mut whole, Rgb([0; 3]), left, top, scale, &self.font, words);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_and_legend() {
        let picture = Rgb8::new(4, 2, vec![100; 24]).unwrap();
        let map = LabelMap::new((2, 4), vec![3, 3, UNLABELLED, 0, 0, 0, 0, 0]).unwrap();
        let pen = Pen::new(None).unwrap();
        let draw = |opacity, legend: &Legend| pen.areas(&picture, &map, opacity, legend).unwrap();
        let plain = draw(1.0, &Legend::default());
        assert_eq!(plain.dimensions(), (4, 2));
        assert_eq!(*plain.get_pixel(0, 0), colour(3));
        assert_eq!(*plain.get_pixel(2, 0), Rgb([100; 3]));
        assert_eq!(*draw(0.0, &Legend::default()).get_pixel(0, 0), Rgb([100; 3]));
        let entries = vec![(3, "a".to_owned()), (0, "words longer than the picture".to_owned())];
        let legend = draw(0.5, &Legend(entries));
        assert!(legend.height() > 2 + 2 * 13 && legend.width() == 4);
    }
}
