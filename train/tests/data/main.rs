//! Data sets on the disk: what is read, and what is refused.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

mod boxes;
mod masks;

use std::fs::File;
use std::path::Path;

/// Writes an RGB picture in one colour.
fn picture(path: &Path, (width, height): (u32, u32), colour: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = colour.repeat((width * height) as usize);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

/// Writes a mask.
fn mask(path: &Path, (width, height): (u32, u32), labels: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(labels).unwrap();
}
