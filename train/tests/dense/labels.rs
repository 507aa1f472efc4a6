//! Classes are drawn in colours; after a change, both must still agree.

use crate::random;
use ghostnetv2::picture::Rgb8;
use heads::placement::{InputConfig, Resampling};
use heads::segmentation::{LabelMap, UNLABELLED};
use proptest::prelude::*;
use train::dense::{LabelCrop, Labelled, PhotometricDistortion, SegmentationAugment};

/// Class 0 is black, 1 is white; class 1 fills a rectangle.
fn drawn((width, height): (u32, u32), [x1, y1, x2, y2]: [u32; 4]) -> Labelled {
    let inside = |x: u32, y: u32| (x1..x2).contains(&x) && (y1..y2).contains(&y);
    let labels: Vec<u8> =
        (0..width * height).map(|i| u8::from(inside(i % width, i / width))).collect();
    let pixels = labels.iter().flat_map(|&label| [label * 255; 3]).collect();
    Labelled {
        picture: Rgb8::new(width, height, pixels).unwrap(),
        labels: LabelMap::new((height as usize, width as usize), labels).unwrap(),
    }
}

/// Only pixels on an edge may be in doubt, where the pixel under the centre has a weight of at least
/// a quarter: elsewhere, bright pixels are of class 1.
fn assert_agree(changed: &Labelled) {
    let (rows, columns) = changed.labels.size();
    let (height, width) = (changed.picture.height() as usize, changed.picture.width() as usize);
    assert!(height <= rows && width <= columns);
    for (i, &label) in changed.labels.labels().iter().enumerate() {
        let (x, y) = (i % columns, i / columns);
        if x >= width || y >= height {
            assert_eq!(label, UNLABELLED, "padding at {x}, {y}");
            continue;
        }
        let value = changed.picture.pixels()[(y * width + x) * 3];
        match value {
            0..=60 => assert_eq!(label, 0, "black at {x}, {y}"),
            195..=255 => assert_eq!(label, 1, "white at {x}, {y}"),
            _ => {}
        }
    }
}

fn pictures() -> impl Strategy<Value = Labelled> {
    let sides = (16u32..70, 16u32..70);
    (sides, [0.0f64..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0]).prop_map(|((width, height), shares)| {
        let span = |side: u32, low: f64, long: f64| {
            let low = (f64::from(side - 4) * low) as u32;
            (low, low + 4 + (f64::from(side - 4 - low) * long) as u32)
        };
        let ((x1, x2), (y1, y2)) =
            (span(width, shares[0], shares[1]), span(height, shares[2], shares[3]));
        drawn((width, height), [x1, y1, x2, y2])
    })
}

fn resampling() -> impl Strategy<Value = Resampling> {
    prop::sample::select(vec![Resampling::Torch, Resampling::OpenCv, Resampling::Pillow])
}

proptest! {
    #[test]
    fn sizes(picture in pictures(), height in 4usize..120, width in 4usize..120,
             resampling in resampling()) {
        let changed = picture.resized((height, width), resampling).unwrap();
        prop_assert_eq!(changed.labels.size(), (height, width));
        // Without filter, small classes vanish between two pixels that are left.
        let grown = height >= picture.labels.size().0 && width >= picture.labels.size().1;
        if grown || resampling != Resampling::Pillow {
            assert_agree(&changed);
        }
    }

    #[test]
    fn windows(picture in pictures(), seed: u64) {
        let crop = LabelCrop { size: (32, 40), most: 0.75 };
        let changed = crop.apply(picture, &mut random(seed)).unwrap();
        prop_assert_eq!(changed.labels.size(), (32, 40));
        assert_agree(&changed);
    }

    #[test]
    fn all_of_it(picture in pictures(), seed: u64) {
        let augment = SegmentationAugment {
            input: InputConfig { resampling: Resampling::OpenCv, ..InputConfig::lite(48) },
            scales: (1.0, 2.0),
            crop: LabelCrop { size: (48, 64), most: 0.75 },
            flip: 0.5,
            colour: None,
        };
        let changed = augment.apply(&picture, &mut random(seed)).unwrap();
        prop_assert_eq!(changed.labels.size(), (48, 64));
        assert_agree(&changed);
        let again = augment.apply(&picture, &mut random(seed)).unwrap();
        prop_assert_eq!(changed, again);
    }
}

/// The second class is in a corner: most windows show one class only.
#[test]
fn windows_with_several_classes_are_looked_for() {
    let shown = |most: f64| {
        let windows = (0..200).filter(|&seed| {
            let picture = drawn((96, 96), [0, 0, 24, 24]);
            let crop = LabelCrop { size: (32, 32), most };
            let changed = crop.apply(picture, &mut random(seed)).unwrap();
            changed.labels.counts(2)[1] > 0
        });
        windows.count()
    };
    let (any, mixed) = (shown(1.0), shown(0.75));
    assert!(any < 40 && mixed > 2 * any, "{any} and {mixed} of 200");
}

#[test]
fn colours_change_and_grays_stay_gray() {
    let gray = Rgb8::new(2, 1, vec![90, 90, 90, 200, 200, 200]).unwrap();
    let distortion = PhotometricDistortion::default();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let changed = distortion.apply(gray.clone(), &mut random(seed)).unwrap();
        let [a, b, c, d, e, f] = changed.pixels()[..] else { panic!("2 pixels") };
        assert!(a == b && b == c && d == e && e == f && a <= d, "{:?}", changed.pixels());
        seen.insert(a);
    }
    assert!(seen.len() > 20);
}

#[test]
fn hues_turn_and_nothing_happens_where_nothing_may() {
    let colours = Rgb8::new(2, 1, vec![255, 0, 0, 10, 120, 200]).unwrap();
    let none = PhotometricDistortion {
        brightness: 0.0,
        contrast: (1.0, 1.0),
        saturation: (1.0, 1.0),
        hue: 0.0,
    };
    for seed in 0..8 {
        assert_eq!(none.apply(colours.clone(), &mut random(seed)).unwrap(), colours);
    }
    // Red turned by up to a third becomes yellow, green, or magenta, blue: never white or black.
    let turned = PhotometricDistortion { hue: 120.0, ..none };
    for seed in 0..50 {
        let changed = turned.apply(colours.clone(), &mut random(seed)).unwrap();
        let mut red: Vec<u8> = changed.pixels()[..3].to_vec();
        red.sort_unstable();
        assert_eq!((red[0], red[2]), (0, 255));
    }
}
