//! Paths and files that are no pictures at all.

use std::path::Path;

use ghostnetv2::picture::{DecodeOptions, PictureError, PictureFault, decode, open};

use crate::fixtures::path;

fn refused(path: &Path) -> PictureError {
    open(path, &DecodeOptions::default()).expect_err("it is no picture")
}

#[test]
fn a_folder_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path());
    assert_eq!(error.path(), Some(folder.path()));
    assert_eq!(
        error.to_string(),
        format!(
            "{}: not a regular file but a directory; name a picture file",
            folder.path().display()
        )
    );
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_not_waited_for() {
    let error = refused("/dev/zero".as_ref());
    assert!(matches!(error.fault(), PictureFault::NotAFile { kind: "a device" }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.jpg");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("skipped the pipe: no mkfifo here");
        return;
    }
    let error = refused(&pipe);
    assert!(matches!(error.fault(), PictureFault::NotAFile { kind: "a pipe" }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(path("jpeg-420.jpg"), &link).unwrap();
    assert!(open(&link, &DecodeOptions::default()).is_ok());
    let circle = folder.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    assert!(matches!(refused(&circle).fault(), PictureFault::Io(_)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.jpg"));
    std::fs::copy(path("jpeg-420.jpg"), &name).unwrap();
    assert!(open(&name, &DecodeOptions::default()).is_ok());
}

#[test]
fn a_missing_file_is_an_io_error() {
    let error = refused("no/such/file.png".as_ref());
    let PictureFault::Io(cause) = error.fault() else { panic!("{error}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn long_files_are_refused_unread() {
    let file = path("jpeg-420.jpg");
    let length = std::fs::metadata(&file).unwrap().len();
    let short = DecodeOptions { max_bytes: length - 1, ..Default::default() };
    let error = open(&file, &short).unwrap_err();
    let PictureFault::TooLarge { found, limit } = *error.fault() else { panic!("{error}") };
    assert_eq!((found, limit), (length, length - 1));
    assert!(open(&file, &DecodeOptions { max_bytes: length, ..short }).is_ok());
}

#[test]
fn other_contents_are_shown() {
    for (bytes, start) in [
        (&b""[..], "found bytes []"),
        (b"<html>", "found bytes [3c, 68, 74, 6d, 6c, 3e]"),
        (b"%PDF-1.7 and more", "found bytes [25, 50, 44, 46, 2d, 31, 2e, 37]"),
    ] {
        let error = decode(bytes, &DecodeOptions::default()).unwrap_err();
        assert!(matches!(error.fault(), PictureFault::UnknownFormat { .. }), "{error}");
        assert!(error.to_string().contains(start), "{error}");
        assert_eq!(error.path(), None);
    }
}
