//! The orientation that a camera wrote down.

use image::metadata::Orientation;

use super::Rgb8;

/// The orientation in an Exif block (a small TIFF file), if it has a valid one.
pub(super) fn orientation(exif: &[u8]) -> Option<Orientation> {
    Orientation::from_exif_chunk(exif)
}

/// Turns and mirrors a picture so that it stands upright.
pub(super) fn upright(picture: Rgb8, orientation: Orientation) -> Rgb8 {
    use Orientation::*;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (right, bottom) = (width - 1, height - 1);
    // For every target position, the source position.
    match orientation {
        NoTransforms => picture,
        FlipHorizontal => rearranged(&picture, width, height, |x, y| (right - x, y)),
        Rotate180 => rearranged(&picture, width, height, |x, y| (right - x, bottom - y)),
        FlipVertical => rearranged(&picture, width, height, |x, y| (x, bottom - y)),
        Rotate90FlipH => rearranged(&picture, height, width, |x, y| (y, x)),
        Rotate90 => rearranged(&picture, height, width, |x, y| (y, bottom - x)),
        Rotate270FlipH => rearranged(&picture, height, width, |x, y| (right - y, bottom - x)),
        Rotate270 => rearranged(&picture, height, width, |x, y| (right - y, x)),
    }
}

fn rearranged(
    picture: &Rgb8,
    width: usize,
    height: usize,
    source: impl Fn(usize, usize) -> (usize, usize),
) -> Rgb8 {
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (x, y) = source(x, y);
            pixels.extend_from_slice(&picture.pixels()[y * picture.stride() + x * 3..][..3]);
        }
    }
    Rgb8::new(width as u32, height as u32, pixels).expect("turning a picture keeps its pixels")
}
