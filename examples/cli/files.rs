//! Files that programs write: whole or not at all.

use crate::exit::{Output, Usage};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// [`Usage`] where the folder does not exist, [`Output`] where it can't be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path)?;
    let write = || -> std::io::Result<()> {
        let mut beside = temporary().tempfile_in(folder)?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(path)?;
        Ok(())
    };
    write().map_err(Output).with_context(|| path.display().to_string())
}

/// The folder of a file that is to be written. Asked for before work of hours starts, it saves that.
///
/// # Errors
/// [`Usage`]: there is none.
pub fn folder_of(path: &Path) -> Result<&Path> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(Usage(format!("{}: no such folder", folder.display())).into()),
    }
}

/// Makes a folder for results, and those above it.
///
/// # Errors
/// [`Output`].
pub fn make_folder(path: &Path) -> Result<()> {
    let made = std::fs::create_dir_all(path).map_err(Output);
    made.with_context(|| path.display().to_string())
}

/// Names for results in a folder: those of the inputs without their endings; where several are
/// equal, the later ones get a number.
#[derive(Debug)]
pub struct Names {
    folder: PathBuf,
    taken: BTreeSet<OsString>,
}

impl Names {
    /// None are taken yet; results of a run before are written over.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.into(), taken: BTreeSet::new() }
    }

    /// The folder and name for an input, to which an ending is to be added.
    pub fn of(&mut self, input: &Path) -> PathBuf {
        let stem = input.file_stem().unwrap_or(input.as_os_str());
        let mut name = stem.to_owned();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = stem.to_owned();
            name.push(format!("-{number}"));
        }
        self.folder.join(name)
    }
}

/// A name with an ending: not `with_extension`, which would cut a name that has a dot.
pub fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut whole = name.as_os_str().to_owned();
    whole.push(ending);
    whole.into()
}

/// Temporary files are for their owner alone; what they become is for whom the umask says.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_get_numbers() {
        let mut names = Names::in_folder(Path::new("out"));
        let mut of = |input: &str| names.of(Path::new(input)).display().to_string();
        assert_eq!(of("a/cat.jpg"), "out/cat");
        assert_eq!(of("b/cat.png"), "out/cat-2");
        assert_eq!(of("cat-2.png"), "out/cat-2-2");
        assert_eq!(of("v1.2.jpg"), "out/v1.2");
        assert_eq!(with_ending(Path::new("out/v1.2"), ".png"), Path::new("out/v1.2.png"));
    }
}
