//! Reads a file, and nothing that only looks like one.

use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::Path;

use super::PictureFault;

/// The contents of a regular file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, PictureFault> {
    // Looked at before it is opened, because opening a pipe waits for somebody to write to it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(PictureFault::NotAFile { kind: kind(metadata.file_type()) });
    }
    if metadata.len() > limit {
        return Err(PictureFault::TooLarge { found: metadata.len(), limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // One byte more than allowed, to notice a file that grew.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        found if found > limit => Err(PictureFault::TooLarge { found, limit }),
        _ => Ok(bytes),
    }
}

fn kind(file_type: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return "a pipe";
        }
        if file_type.is_char_device() || file_type.is_block_device() {
            return "a device";
        }
        if file_type.is_socket() {
            return "a socket";
        }
    }
    if file_type.is_dir() { "a directory" } else { "something else" }
}
