//! Masks: PNG files whose values are classes.

use crate::draw::colour;
use anyhow::{Result, bail};
use heads::segmentation::{LabelMap, UNLABELLED};
use std::path::Path;

/// A label map as a PNG with a palette: any viewer shows colours, any reader of indices gets
/// the classes.
///
/// # Errors
/// What the encoder says.
pub fn png(map: &LabelMap) -> Result<Vec<u8>> {
    let (height, width) = map.size();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, u32::try_from(width)?, u32::try_from(height)?);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    let colour =
        |class: usize| if class == usize::from(UNLABELLED) { [0; 3] } else { colour(class).0 };
    encoder.set_palette((0..256).flat_map(colour).collect::<Vec<u8>>());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(map.labels())?;
    writer.finish()?;
    Ok(file)
}

/// Refuses a mask of another size than its picture's.
///
/// # Errors
/// That.
pub fn check_size(path: &Path, map: &LabelMap, picture: (usize, usize)) -> Result<()> {
    let ((h, w), (height, width)) = (map.size(), picture);
    if (h, w) != (height, width) {
        bail!("{}: {w}x{h} pixels: expected {width}x{height}, as its picture", path.display())
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use heads::data::mask::read;

    #[test]
    fn masks_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask.png");
        let map = LabelMap::new((2, 3), vec![0, 1, 149, 255, 7, 0]).unwrap();
        std::fs::write(&file, png(&map).unwrap()).unwrap();
        assert_eq!(read(&file, false).unwrap(), map);
        assert_eq!(read(&file, true).unwrap().labels(), [255, 0, 148, 255, 6, 255]);
        assert!(check_size(&file, &map, (3, 2)).unwrap_err().to_string().contains("3x2"));
        std::fs::write(&file, "no mask").unwrap();
        let error = read(&file, false).unwrap_err().to_string();
        assert!(error.contains("mask.png"), "{error}");
    }
}
