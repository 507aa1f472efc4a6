//! Files that were cut, spoilt or made up.

use ghostnetv2::picture::{DecodeOptions, PictureFault, decode};

use crate::fixtures::{case, cases};

fn tolerant() -> DecodeOptions {
    DecodeOptions { allow_truncated: true, ..Default::default() }
}

#[test]
fn half_a_file_is_refused() {
    // Half an animation has its first frame.
    for case in cases().iter().filter(|case| !case.file.contains("animated")) {
        let mut bytes = case.bytes();
        bytes.truncate(bytes.len() / 2);
        let error = decode(&bytes, &DecodeOptions::default()).expect_err(&case.file);
        // Half a GIF may end between two blocks, where only its content is seen to be too short,
        // and half a small TIFF has lost its directory.
        let fault = error.fault();
        assert!(
            matches!(fault, PictureFault::Truncated { .. } | PictureFault::Corrupt { .. }),
            "{}: {fault}",
            case.file
        );
        if case.file.ends_with(".jpg") || case.file.ends_with(".png") {
            assert!(matches!(fault, PictureFault::Truncated { .. }), "{}: {fault}", case.file);
        }
    }
}

#[test]
fn every_cut_ends_with_a_picture_or_an_error() {
    for case in cases().iter().filter(|case| case.bytes().len() < 1200) {
        let bytes = case.bytes();
        for length in 0..bytes.len() {
            for options in [DecodeOptions::default(), tolerant()] {
                if let Ok(picture) = decode(&bytes[..length], &options) {
                    let size = (picture.width() * picture.height() * 3) as usize;
                    assert_eq!(picture.pixels().len(), size, "{} cut at {length}", case.file);
                }
            }
        }
    }
}

#[test]
fn a_cut_jpeg_is_filled_up_as_pillow_does() {
    let mut count = 0;
    for case in cases() {
        let Some(cut) = &case.cut else { continue };
        let bytes = &case.bytes()[..cut.at];
        let error = decode(bytes, &DecodeOptions::default()).expect_err(&case.file);
        assert!(matches!(error.fault(), PictureFault::Truncated { .. }), "{error}");
        let picture = decode(bytes, &tolerant()).unwrap();
        assert_eq!(cut.expected.difference(&picture), None, "{}", case.file);
        count += 1;
    }
    assert!(count > 20, "{count} files");
}

#[test]
fn a_cut_picture_keeps_what_was_there() {
    for name in ["png-rgb.png", "bmp-rgb.bmp", "gif-palette.gif", "jpeg-progressive.jpg"] {
        let case = case(name);
        let bytes = case.bytes();
        let picture = decode(&bytes[..bytes.len() * 9 / 10], &tolerant()).unwrap();
        let distinct: std::collections::HashSet<_> =
            picture.pixels().chunks_exact(3).map(<[u8]>::to_vec).collect();
        assert!(distinct.len() > 5, "{name}: {} colours", distinct.len());
    }
}

#[test]
fn spoilt_bytes_end_with_a_picture_or_an_error() {
    let mut state = 1_u64;
    let mut random = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % bound
    };
    // A frame header that is spoilt may announce a large picture, which would take its time.
    let options = DecodeOptions { max_pixels: 1 << 16, ..Default::default() };
    for case in cases() {
        let whole = case.bytes();
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let position = random(bytes.len());
                bytes[position] = [0, 0xff, random(256) as u8][random(3)];
            }
            if let Ok(picture) = decode(&bytes, &options) {
                assert!(picture.width() * picture.height() <= 1 << 16, "{}", case.file);
            }
        }
    }
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    let png = |width: u32, height: u32| {
        let case = case("png-rgb.png");
        let mut bytes = case.bytes();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
        bytes
    };
    let error = decode(&png(30_000, 30_000), &DecodeOptions::default()).unwrap_err();
    let expected = "picture in memory: 30000x30000 pixels, but at most 178956970 are decoded, \
                    because small files can pretend to be huge; raise `max_pixels` to allow it";
    assert_eq!(error.to_string(), expected);

    let jpeg = case("jpeg-420.jpg").bytes();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let mut large = jpeg.clone();
    large[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let error = decode(&large, &DecodeOptions::default()).unwrap_err();
    assert!(matches!(
        error.fault(),
        PictureFault::TooManyPixels { width: 65_535, height: 65_535, .. }
    ));

    let few = DecodeOptions { max_pixels: 96 * 64 - 1, ..Default::default() };
    assert!(matches!(
        decode(&jpeg, &few).unwrap_err().fault(),
        PictureFault::TooManyPixels { width: 96, height: 64, limit: 6143 }
    ));
    let enough = DecodeOptions { max_pixels: 96 * 64, ..Default::default() };
    assert!(decode(&jpeg, &enough).is_ok());
    let unlimited = DecodeOptions { max_pixels: u64::MAX, max_bytes: u64::MAX, ..enough };
    assert!(cases().iter().all(|case| decode(&case.bytes(), &unlimited).is_ok()));
}

#[test]
fn a_jpeg_with_endless_scans_is_refused() {
    let case = case("jpeg-progressive-gray.jpg");
    let bytes = case.bytes();
    let scan = bytes.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap();
    let next = scan + 2 + bytes[scan + 2..].windows(2).position(is_marker).unwrap();
    let mut endless = bytes[..next].to_vec();
    for _ in 0..250 {
        endless.extend_from_slice(&bytes[scan..next]);
    }
    endless.extend_from_slice(&[0xff, 0xd9]);
    let error = decode(&endless, &DecodeOptions::default()).unwrap_err();
    assert!(matches!(error.fault(), PictureFault::Unsupported { .. }), "{error}");
}

fn is_marker(bytes: &[u8]) -> bool {
    bytes[0] == 0xff && bytes[1] != 0
}

/// The checksum of PNG, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
