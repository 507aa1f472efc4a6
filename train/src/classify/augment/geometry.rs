//! Pictures turned, sheared and moved.

use super::with_pixels;
use candle::Result;
use ghostnetv2::picture::Rgb8;
use ghostnetv2::preprocess::Filter;

/// From a place in the new picture to one in the old: `x' = a x + b y + c`, `y' = d x + e y + f`.
pub(super) type Affine = [f64; 6];

/// The picture through an affine map, in the manner of Pillow's `Image.transform`, with whose bytes
/// it was not compared; what lies outside of it has the colour `fill`.
pub(super) fn transform(
    picture: &Rgb8,
    map: Affine,
    filter: Filter,
    fill: [u8; 3],
) -> Result<Rgb8> {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let [a, b, c, d, e, f] = map;
    let mut pixels = Vec::with_capacity(picture.pixels().len());
    for y in 0..height {
        for x in 0..width {
            let (out_x, out_y) = (x as f64 + 0.5, y as f64 + 0.5);
            let (in_x, in_y) = (a * out_x + b * out_y + c, d * out_x + e * out_y + f);
            let inside =
                (0.0..width as f64).contains(&in_x) && (0.0..height as f64).contains(&in_y);
            pixels.extend_from_slice(&match inside {
                true => sampled(picture, in_x - 0.5, in_y - 0.5, filter),
                false => fill,
            });
        }
    }
    with_pixels(picture, pixels)
}

/// The colour at a place, whose whole numbers are the middles of pixels.
fn sampled(picture: &Rgb8, x: f64, y: f64, filter: Filter) -> [u8; 3] {
    let (height, width) = (picture.height() as i64, picture.width() as i64);
    let (left, top) = (x.floor(), y.floor());
    let (across, along) = (weights(x - left, filter), weights(y - top, filter));
    let mut sums = [0.0; 3];
    for (wy, dy) in along.into_iter().zip(-1i64..) {
        if wy == 0.0 {
            continue;
        }
        let row = (top as i64 + dy).clamp(0, height - 1) * width;
        for (wx, dx) in across.into_iter().zip(-1i64..) {
            let at = (row + (left as i64 + dx).clamp(0, width - 1)) as usize * 3;
            let pixel = &picture.pixels()[at..at + 3];
            sums.iter_mut().zip(pixel).for_each(|(sum, &v)| *sum += wy * wx * f64::from(v));
        }
    }
    // Bilinear values are truncated by Pillow, bicubic ones clipped and truncated.
    sums.map(|sum| sum as u8)
}

/// The weights of the pixel before, the two around, and the one after.
fn weights(t: f64, filter: Filter) -> [f64; 4] {
    if filter == Filter::Bilinear {
        return [0.0, 1.0 - t, t, 0.0];
    }
    // Pillow's cubic convolution has a = -1 here, not the -0.5 of its resizing.
    let (t2, t3) = (t * t, t * t * t);
    [-t + 2.0 * t2 - t3, 1.0 - 2.0 * t2 + t3, t + t2 - t3, -t2 + t3]
}

/// Turned counter-clockwise about the middle.
pub(super) fn rotation(degrees: f64, picture: &Rgb8) -> Affine {
    let (sine, cosine) = libm::sincos(-degrees.to_radians());
    let (x, y) = (f64::from(picture.width()) / 2.0, f64::from(picture.height()) / 2.0);
    let (a, b, d, e) = (cosine, sine, -sine, cosine);
    [a, b, x - a * x - b * y, d, e, y - d * x - e * y]
}
