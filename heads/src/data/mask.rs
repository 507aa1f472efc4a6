//! Masks: PNG files whose values are classes.

use super::DataError;
use crate::segmentation::{LabelMap, UNLABELLED};
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

/// The most pixels of a mask that is read.
const MOST_PIXELS: usize = 1 << 28;

/// A label map from a PNG of 8 bits, gray or with a palette, as they are stored; with
/// `reduce_zero_label` 0 becomes no class and each other value one less.
///
/// # Errors
/// Another form, or a file that can't be read.
pub fn read(path: &Path, reduce_zero_label: bool) -> Result<LabelMap, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    labelled(path, BufReader::new(file), reduce_zero_label)
}

/// As [`read`], of a file's content; `path` is for messages only.
///
/// # Errors
/// Another form.
pub fn parse(path: &Path, png: &[u8], reduce_zero_label: bool) -> Result<LabelMap, DataError> {
    labelled(path, Cursor::new(png), reduce_zero_label)
}

fn labelled(
    path: &Path,
    png: impl BufRead + Seek,
    reduce_zero_label: bool,
) -> Result<LabelMap, DataError> {
    let map = decode(png).map_err(|problem| DataError::invalid(path, vec![problem]))?;
    if !reduce_zero_label {
        return Ok(map);
    }
    let reduced = map.labels().iter().map(|&label| match label {
        UNLABELLED => UNLABELLED,
        label => label.wrapping_sub(1),
    });
    let reduced = LabelMap::new(map.size(), reduced.collect());
    reduced.map_err(|error| DataError::invalid(path, vec![error.to_string()]))
}

fn decode(png: impl BufRead + Seek) -> Result<LabelMap, String> {
    let damaged = |error: png::DecodingError| format!("not a mask: {error}");
    let mut decoder = png::Decoder::new(png);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (colour, depth) = reader.output_color_type();
    if depth != png::BitDepth::Eight
        || !matches!(colour, png::ColorType::Grayscale | png::ColorType::Indexed)
    {
        return Err(format!(
            "a mask of {colour:?} and {depth:?} bits: expected 8 bits, gray or with a palette"
        ));
    }
    let length = reader.output_buffer_size().filter(|&length| length <= MOST_PIXELS);
    let mut values = vec![0; length.ok_or("a mask of too many pixels")?];
    let frame = reader.next_frame(&mut values).map_err(damaged)?;
    LabelMap::new((frame.height as usize, frame.width as usize), values)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_and_other_forms_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        assert!(matches!(read(&path, false), Err(DataError::Io { .. })));
        std::fs::write(&path, "no mask").unwrap();
        let error = read(&path, false).unwrap_err().to_string();
        assert!(error.contains("mask.png") && error.contains("not a mask"), "{error}");
        let file = File::create(&path).unwrap();
        let mut encoder = png::Encoder::new(file, 1, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
        let error = read(&path, false).unwrap_err().to_string();
        assert!(error.contains("Rgb") && error.contains("expected 8 bits"), "{error}");
    }
}
