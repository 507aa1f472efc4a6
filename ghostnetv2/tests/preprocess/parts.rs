//! What is computed of a resized picture, and by how many threads, does not change it.

use ghostnetv2::picture::Rgb8;
use ghostnetv2::preprocess::{CropMode, Filter, Preprocess, PreprocessError, resize};
use serde_json::json;

use crate::synthetic::picture;

/// Columns and rows of a picture, from a corner on.
fn cropped(whole: &Rgb8, left: u32, top: u32, width: u32, height: u32) -> Rgb8 {
    let mut pixels = Vec::new();
    for y in top..top + height {
        let start = ((y * whole.width() + left) * 3) as usize;
        pixels.extend_from_slice(&whole.pixels()[start..start + width as usize * 3]);
    }
    Rgb8::new(width, height, pixels).expect("the part lies in the whole")
}

#[test]
fn a_crop_is_a_part_of_the_whole() {
    for filter in Filter::ALL {
        for (source, left, top, whole) in [
            ((300, 200), 80, 16, (384, 256)),
            ((200, 301), 16, 80, (256, 385)),
            ((40, 33), 43, 16, (310, 256)),
            ((97, 1100), 16, 1340, (256, 2903)),
        ] {
            let picture = picture("noise", source.0, source.1);
            let config = json!({ "interpolation": filter.name() });
            let part = Preprocess::from_timm(&config).unwrap().apply_u8(&picture);
            let whole = resize(&picture, whole.0, whole.1, filter).unwrap();
            assert!(part == cropped(&whole, left, top, 224, 224), "{source:?}, {}", filter.name());
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let picture = picture("noise", 1300, 900);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [(341, 236), (1500, 300), (700, 2000)].map(|(width, height)| {
                resize(&picture, width, height, Filter::Lanczos).unwrap().into_pixels()
            })
        })
    };
    assert!(with(1) == with(3));
}

#[test]
fn extreme_shapes_cost_no_more_than_their_crop() {
    // In whole, these would have 16 million rows or columns of 256 pixels.
    for filter in Filter::ALL {
        let config = json!({ "interpolation": filter.name() });
        let preprocess = Preprocess::from_timm(&config).unwrap();
        for (width, height) in [(1, 65_535), (65_535, 1)] {
            let result = preprocess.apply_u8(&picture("smooth", width, height));
            assert_eq!((result.width(), result.height()), (224, 224));
            // The slope is gentle, and the crop shows less than a pixel of the middle.
            let middle = &picture("smooth", width, height).into_pixels()[32_767 * 3..][..3];
            for pixel in result.pixels().chunks_exact(3) {
                assert!(pixel.iter().zip(middle).all(|(a, b)| a.abs_diff(*b) <= 1), "{pixel:?}");
            }
        }
    }
}

#[test]
fn a_thin_picture_keeps_a_line_between_borders() {
    let config = json!({ "crop_mode": "border", "crop_pct": 1.0 });
    let preprocess = Preprocess::from_timm(&config).unwrap();
    assert_eq!(preprocess.crop_mode(), CropMode::Border);
    let white = Rgb8::new(1, 5000, vec![255; 15_000]).unwrap();
    let result = preprocess.apply_u8(&white);
    let lines: Vec<_> = result.pixels()[..224 * 3].chunks_exact(3).collect();
    assert_eq!(lines.iter().filter(|pixel| ***pixel == [255; 3]).count(), 1);
    assert_eq!(lines[0], [124, 116, 104], "ImageNet's mean");
}

#[test]
fn one_pixel_is_enough() {
    let red = Rgb8::new(1, 1, vec![200, 10, 30]).unwrap();
    for filter in Filter::ALL {
        let resized = resize(&red, 3, 2, filter).unwrap();
        assert_eq!(resized.pixels(), [200, 10, 30].repeat(6), "{}", filter.name());
    }
}

#[test]
fn impossible_sizes_are_refused() {
    let picture = picture("noise", 4, 3);
    let refused = resize(&picture, 0, 3, Filter::Bicubic);
    assert_eq!(refused.unwrap_err(), PreprocessError::Size { width: 0, height: 3 });
    assert!(resize(&picture, u32::MAX, u32::MAX, Filter::Bicubic).is_err());
    for (height, width) in [(0, 1), (1, 0), (1 << 15, 64), (64, u32::MAX)] {
        let error = Preprocess::default().with_size(height, width).unwrap_err();
        let (width, height) = (u64::from(width), u64::from(height));
        assert_eq!(error, PreprocessError::Size { width, height });
    }
}
