//! Every format and colour type gives Pillow's pixels.

use ghostnetv2::picture::{DecodeOptions, Exif, PictureFault, decode, open};

use crate::fixtures::{Case, case, cases, path};

/// Runs `check` on every fixture, and fails with all that it finds.
fn check_all(check: impl Fn(&Case) -> Option<String>) {
    let cases = cases();
    assert!(cases.len() > 80, "{} fixtures", cases.len());
    let wrong: Vec<_> =
        cases.iter().filter_map(|case| Some(format!("{}: {}", case.file, check(case)?))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pixels_are_pillows() {
    check_all(|case| match open(&path(&case.file), &DecodeOptions::default()) {
        Ok(picture) => case.expected.difference(&picture),
        Err(error) => Some(error.to_string()),
    });
}

#[test]
fn orientation_is_applied_on_demand() {
    let options = DecodeOptions { exif: Exif::Apply, ..Default::default() };
    let turned = cases().iter().filter(|case| case.upright.is_some()).count();
    assert_eq!(turned, 9, "orientations 2 to 8 in JPEG, one in PNG, one in WebP");
    check_all(|case| match decode(&case.bytes(), &options) {
        Ok(picture) => case.upright.as_ref().unwrap_or(&case.expected).difference(&picture),
        Err(error) => Some(error.to_string()),
    });
}

#[test]
fn the_name_of_a_file_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    for (number, case) in cases().iter().enumerate() {
        let disguised = folder.path().join(format!("{number}.{}", ["jpg", "gif"][number % 2]));
        std::fs::copy(path(&case.file), &disguised).unwrap();
        let picture = open(&disguised, &DecodeOptions::default()).unwrap();
        assert_eq!(case.expected.difference(&picture), None, "{}", case.file);
    }
}

#[test]
fn a_jpeg_needs_no_end_marker_behind_its_last_row() {
    for case in cases().iter().filter(|case| case.cut.is_some()) {
        let mut bytes = case.bytes();
        bytes.extend_from_slice(b"trailing bytes that are no JPEG");
        let picture = decode(&bytes, &DecodeOptions::default()).unwrap();
        assert_eq!(case.expected.difference(&picture), None, "{}", case.file);
    }
}

#[test]
fn codings_that_are_missing_here_are_named() {
    let case = case("jpeg-420.jpg");
    let bytes = case.bytes();
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    for (code, coding) in [
        (0xc3, "JPEG with lossless coding"),
        (0xc5, "JPEG with hierarchical coding"),
        (0xc9, "JPEG with arithmetic coding"),
        (0xca, "JPEG with arithmetic coding"),
    ] {
        let mut other = bytes.clone();
        other[frame + 1] = code;
        let error = decode(&other, &DecodeOptions::default()).unwrap_err();
        assert!(matches!(error.fault(), PictureFault::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(coding), "{error}");
        assert!(error.to_string().ends_with("convert it, for instance to PNG"), "{error}");
    }
}
