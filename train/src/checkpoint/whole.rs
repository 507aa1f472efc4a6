//! Files that are there whole or not at all, whenever the machine stops.

use crate::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file beside its place, to the disk, and then puts it there.
///
/// # Errors
/// [`Error::Write`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    put_in_place(&write_beside(path, bytes)?, path)
}

/// Writes `path` with another ending. A file of that name from a run that was killed is replaced.
pub(super) fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let beside = PathBuf::from(name);
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| {
        // No disk full of what nobody can use; that it is there is no second error.
        let _ = fs::remove_file(&beside);
        Error::Write { path: path.into(), source }
    })?;
    Ok(beside)
}

/// Renames, and makes sure that the name is on the disk too.
pub(super) fn put_in_place(beside: &Path, path: &Path) -> Result<(), Error> {
    fs::rename(beside, path).map_err(Error::write(path))?;
    sync_folder(path).map_err(Error::write(path))
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
