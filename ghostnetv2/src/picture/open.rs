//! Reading a picture file, without trusting that it is one.

use super::{DecodeOptions, PictureError, PictureFault, Rgb8, decode::decode_bytes};
use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::Path;

/// Reads and decodes a picture file.
///
/// # Errors
/// [`PictureError`] with the path, for everything from a missing file to a panicking decoder.
///
/// # Example
/// ```no_run
/// use ghostnetv2::picture::{DecodeOptions, open};
/// let picture = open("cat.jpg".as_ref(), &DecodeOptions::default())?;
/// println!("{}x{}", picture.width(), picture.height());
/// # Ok::<(), ghostnetv2::picture::PictureError>(())
/// ```
pub fn open(path: &Path, options: &DecodeOptions) -> Result<Rgb8, PictureError> {
    read(path, options)
        .and_then(|bytes| decode_bytes(&bytes, options))
        .map_err(|fault| PictureError::in_file(path, fault))
}

fn read(path: &Path, options: &DecodeOptions) -> Result<Vec<u8>, PictureFault> {
    // Looked at before it is opened: opening a pipe waits for whoever writes into it.
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        return Err(PictureFault::NotAFile { kind: kind(meta.file_type()) });
    }
    let too_large = |found| PictureFault::TooLarge { found, limit: options.max_bytes };
    if meta.len() > options.max_bytes {
        return Err(too_large(meta.len()));
    }
    let mut bytes = Vec::new();
    // A file may grow, or be of those whose length the system does not know.
    File::open(path)?.take(options.max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > options.max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return "a pipe";
        }
        if file_type.is_socket() {
            return "a socket";
        }
    }
    "a device"
}
