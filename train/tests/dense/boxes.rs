//! A coloured rectangle is drawn and marked; after a change, the mark and the colour must agree.

use crate::random;
use ghostnetv2::picture::Rgb8;
use heads::boxes::{BBox, area};
use heads::placement::Resampling;
use heads::retinanet::GroundTruth;
use proptest::prelude::*;
use train::dense::{DetectionAugment, FixedCrop, IouCrop, ScaleJitter, Scene};

const RED: [u8; 3] = [255, 0, 0];

/// A blue picture with a red rectangle, marked.
fn scene((width, height): (u32, u32), [x1, y1, x2, y2]: [u32; 4]) -> Scene {
    let red = |x: u32, y: u32| (x1..x2).contains(&x) && (y1..y2).contains(&y);
    let pixel = |i: u32| if red(i % width, i / width) { RED } else { [0, 0, 255] };
    let pixels = (0..width * height).flat_map(pixel).collect();
    let bbox = [x1, y1, x2, y2].map(|v| v as f32);
    Scene {
        picture: Rgb8::new(width, height, pixels).unwrap(),
        objects: vec![GroundTruth { bbox, class_id: 4 }],
    }
}

/// The box around all pixels that are more red than blue.
fn red_box(picture: &Rgb8) -> Option<BBox> {
    let width = picture.width() as usize;
    let pixels = picture.pixels().chunks_exact(3).enumerate();
    let red = pixels.filter(|(_, pixel)| pixel[0] > 127);
    red.map(|(i, _)| ((i % width) as f32, (i / width) as f32)).fold(None, |found, (x, y)| {
        let [x1, y1, x2, y2] = found.unwrap_or([x, y, x, y]);
        Some([x1.min(x), y1.min(y), x2.max(x + 1.0), y2.max(y + 1.0)])
    })
}

/// Edges agree to a pixel: a resampled edge lies between two.
fn assert_agree(scene: &Scene) {
    let [object] = scene.objects[..] else { panic!("{} objects", scene.objects.len()) };
    assert_eq!(object.class_id, 4);
    let found = red_box(&scene.picture).expect("it is in the picture");
    let close = object.bbox.iter().zip(found).all(|(a, b)| (a - b).abs() <= 1.0);
    assert!(close, "marked {:?}, drawn {found:?}", object.bbox);
    let (width, height) = (scene.picture.width() as f32, scene.picture.height() as f32);
    let [x1, y1, x2, y2] = object.bbox;
    assert!(x1 >= 0.0 && y1 >= 0.0 && x2 <= width && y2 <= height, "{:?}", object.bbox);
}

/// A picture of 16 to 90 pixels with a rectangle of at least 4.
fn scenes() -> impl Strategy<Value = Scene> {
    let sides = (16u32..90, 16u32..90);
    let shares = [0.0f64..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0];
    (sides, shares).prop_map(|((width, height), shares)| {
        let span = |side: u32, low: f64, long: f64| {
            let low = (f64::from(side - 4) * low) as u32;
            (low, low + 4 + (f64::from(side - 4 - low) * long) as u32)
        };
        let ((x1, x2), (y1, y2)) =
            (span(width, shares[0], shares[1]), span(height, shares[2], shares[3]));
        scene((width, height), [x1, y1, x2, y2])
    })
}

fn resampling() -> impl Strategy<Value = Resampling> {
    prop::sample::select(vec![Resampling::Torch, Resampling::OpenCv, Resampling::Pillow])
}

proptest! {
    #[test]
    fn mirrors(scene in scenes()) {
        let turned = scene.mirrored().unwrap();
        let found = red_box(&turned.picture).unwrap();
        prop_assert_eq!(turned.objects[0].bbox, found);
    }

    #[test]
    fn sizes(scene in scenes(), seed: u64, resampling in resampling()) {
        // Not so small that nothing of the rectangle would be left to see.
        let jitter = ScaleJitter { target: (120, 100), scales: (0.6, 2.0), resampling };
        let mut random = random(seed);
        let changed = jitter.apply(scene, &mut random).unwrap();
        prop_assert!(changed.picture.width() <= 200 && changed.picture.height() <= 240);
        assert_agree(&changed);
    }

    #[test]
    fn windows(scene in scenes(), seed: u64) {
        let crop = FixedCrop { size: (32, 40), visible: 0.25, shortest: 1.0 };
        let whole = area(scene.objects[0].bbox);
        let changed = crop.apply(scene, &mut random(seed)).unwrap();
        prop_assert!(changed.picture.width() <= 40 && changed.picture.height() <= 32);
        let seen = red_box(&changed.picture).map_or(0.0, area);
        match changed.objects.len() {
            0 => prop_assert!(seen < 0.25 * whole),
            _ => {
                prop_assert!(seen >= 0.25 * whole);
                prop_assert_eq!(changed.objects[0].bbox, red_box(&changed.picture).unwrap());
            }
        }
    }

    #[test]
    fn overlapping_windows(scene in scenes(), seed: u64) {
        let changed = IouCrop::default().apply(scene, &mut random(seed)).unwrap();
        // A window without any object is never taken.
        prop_assert_eq!(changed.objects[0].bbox, red_box(&changed.picture).unwrap());
    }

    #[test]
    fn all_of_it(scene in scenes(), seed: u64, with_crop: bool) {
        let augment = DetectionAugment {
            colour: None,
            iou_crop: with_crop.then(IouCrop::default),
            flip: 0.5,
            scale: ScaleJitter {
                target: (64, 64), scales: (0.8, 2.0), resampling: Resampling::Pillow,
            },
            crop: FixedCrop { size: (64, 64), visible: 0.1, shortest: 2.0 },
        };
        let changed = augment.apply(scene.clone(), &mut random(seed)).unwrap();
        prop_assert!(changed.picture.width() <= 64 && changed.picture.height() <= 64);
        if !changed.objects.is_empty() {
            assert_agree(&changed);
        }
        let again = augment.apply(scene, &mut random(seed)).unwrap();
        prop_assert_eq!(changed, again);
    }
}

#[test]
fn scales_reach_their_ends_and_objects_are_dropped_sometimes() {
    let augment = DetectionAugment {
        colour: None,
        iou_crop: None,
        flip: 0.5,
        scale: ScaleJitter { target: (64, 64), scales: (0.5, 2.0), resampling: Resampling::Pillow },
        crop: FixedCrop { size: (64, 64), visible: 0.1, shortest: 2.0 },
    };
    let (mut smallest, mut full, mut dropped) = (64, 0, 0);
    for seed in 0..200 {
        let scene = scene((64, 48), [0, 0, 12, 12]);
        let changed = augment.apply(scene, &mut random(seed)).unwrap();
        smallest = smallest.min(changed.picture.width());
        full += u32::from(changed.picture.width() == 64);
        dropped += u32::from(changed.objects.is_empty());
    }
    assert!(smallest < 36 && (100..180).contains(&full) && (10..100).contains(&dropped));
}
