//! Resizing equal to Pillow's, to the byte.
//!
//! What makes the bytes: weights in double precision, rounded to 22 bits of fixed point; one
//! pass per direction with an 8-bit picture between them; and the order of the passes.

use std::ops::Range;

use super::axis::Axis;
use super::{Filter, PreprocessError, horizontal, nearest, vertical};
use crate::picture::Rgb8;

/// Resizes a picture as Pillow 13 does, to the byte, whatever the number of threads.
///
/// # Errors
/// [`PreprocessError::Size`] if a side is zero or the result would not fit in memory.
///
/// # Source
/// Pillow 13.0.0, `Image.resize`; the order of the passes differs from Pillow 12.
///
/// # Example
/// ```
/// use ghostnetv2::picture::Rgb8;
/// use ghostnetv2::preprocess::{Filter, resize};
///
/// let white = Rgb8::new(5, 3, vec![255; 45])?;
/// let small = resize(&white, 2, 2, Filter::Bicubic)?;
/// assert_eq!(small.pixels(), [255; 12]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn resize(
    picture: &Rgb8,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Rgb8, PreprocessError> {
    if width == 0 || height == 0 || Rgb8::byte_count(width, height).is_none() {
        return Err(PreprocessError::Size { width: width.into(), height: height.into() });
    }
    let target = (u64::from(width), u64::from(height));
    Ok(resize_part(picture, target, 0..target.0, 0..target.1, filter))
}

/// The part `rows` x `columns` of `picture` resized to `target` (width, height).
///
/// Costs memory and time for the part only, so that the target may be huge. Neither range may
/// be empty or reach beyond the target.
pub(super) fn resize_part(
    picture: &Rgb8,
    target: (u64, u64),
    columns: Range<u64>,
    rows: Range<u64>,
    filter: Filter,
) -> Rgb8 {
    let source = (picture.width() as usize, picture.height() as usize);
    let size = ((columns.end - columns.start) as u32, (rows.end - rows.start) as u32);
    let pixels = if filter == Filter::Nearest {
        nearest::pick(picture.pixels(), source, target, columns, rows)
    } else {
        let x = Axis::new(source.0, target.0, filter);
        let y = Axis::new(source.1, target.1, filter);
        resample(picture, &x, &y, columns, rows)
    };
    Rgb8::new(size.0, size.1, pixels).expect("the passes fill the part that was asked for")
}

fn resample(picture: &Rgb8, x: &Axis, y: &Axis, columns: Range<u64>, rows: Range<u64>) -> Vec<u8> {
    let (pixels, width, stride) = (picture.pixels(), picture.width() as usize, picture.stride());
    if vertical_first(x, y) {
        let between = along_y(pixels, stride, 0, y, rows);
        along_x(&between, width, x, columns)
    } else {
        let read = y.reads(rows.clone());
        let out_stride = (columns.end - columns.start) as usize * 3;
        let between = along_x(&pixels[read.start * stride..read.end * stride], width, x, columns);
        along_y(&between, out_stride, read.start, y, rows)
    }
}

/// Pillow 13 does the vertical pass first where that takes away more than twice as many rows as
/// the other pass takes away columns.
fn vertical_first(x: &Axis, y: &Axis) -> bool {
    y.removed() > 0 && y.removed() > x.removed().saturating_mul(2)
}

fn along_x(pixels: &[u8], width: usize, axis: &Axis, columns: Range<u64>) -> Vec<u8> {
    if !axis.is_identity() {
        return horizontal::resize_rows(pixels, width, axis, columns);
    }
    let kept = columns.start as usize * 3..columns.end as usize * 3;
    pixels.chunks_exact(width * 3).flat_map(|row| &row[kept.clone()]).copied().collect()
}

fn along_y(
    pixels: &[u8],
    stride: usize,
    first_row: usize,
    axis: &Axis,
    rows: Range<u64>,
) -> Vec<u8> {
    if !axis.is_identity() {
        return vertical::resize_columns(pixels, stride, first_row, axis, rows);
    }
    let (start, end) = (rows.start as usize - first_row, rows.end as usize - first_row);
    pixels[start * stride..end * stride].to_vec()
}
