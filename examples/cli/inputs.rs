//! Files from what users name: files, folders, patterns.

use crate::exit::Usage;
use anyhow::{Context, Result};
use heads::data::DataError;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Endings of the pictures that a folder is searched for; a file that is named itself is always
/// tried, whatever its ending.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif"];

/// All pictures that `arguments` name, in their order; folders are searched in depth, sorted.
///
/// # Errors
/// A pattern that is wrong or matches nothing, a folder that can't be read or has no pictures. A
/// file that is missing is not an error here: it fails later, as itself, and the rest goes on.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for argument in arguments {
        let before = files.len();
        if argument.is_dir() {
            search(argument, &mut files)?;
            if files.len() == before {
                let text = format!("{}: no pictures in this folder", argument.display());
                return Err(Usage(text).into());
            }
        } else if let Some(pattern) = pattern(argument) {
            let paths = glob::glob(pattern)
                .map_err(|error| Usage(format!("{pattern}: not a pattern: {error}")))?;
            files.extend(paths.filter_map(Result::ok).filter(|path| path.is_file()));
            if files.len() == before {
                return Err(Usage(format!("{pattern}: no file matches")).into());
            }
        } else {
            files.push(argument.clone());
        }
    }
    Ok(files)
}

/// The pictures that ship: where the program was built, else where it runs.
pub fn samples() -> PathBuf {
    let here = PathBuf::from("assets/samples");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("assets").join("samples");
    if here.is_dir() || !built.is_dir() { here } else { built }
}

/// A pattern, unless a file has just that name.
fn pattern(argument: &Path) -> Option<&str> {
    let text = argument.to_str()?;
    (text.contains(['*', '?', '[']) && fs::symlink_metadata(argument).is_err()).then_some(text)
}

fn search(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let read = fs::read_dir(folder)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("can't read the folder {}", folder.display()))?;
    let mut entries: Vec<_> = read.iter().map(fs::DirEntry::path).collect();
    entries.sort();
    for path in entries {
        // Links to folders are not followed: they may lead back here.
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
        if is_folder {
            search(&path, files)?;
        } else if path.extension().is_some_and(is_picture_ending) && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_picture_ending(ending: &OsStr) -> bool {
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The files of a program that tells places in pictures, the samples where none are named. What
/// `dump` is for holds one batch.
///
/// # Errors
/// As [`expand`]; [`Usage`]: more pictures than a dump holds.
pub fn of_places(named: &[PathBuf], dump: Option<&Path>, batch: u16) -> Result<Vec<PathBuf>> {
    let files = if named.is_empty() { expand(&[samples()])? } else { expand(named)? };
    if dump.is_some() && files.len() > usize::from(batch) {
        let text = format!("--dump: {} pictures: expected one batch: raise --batch", files.len());
        return Err(Usage(text).into());
    }
    Ok(files)
}

/// Paths of a folder, if there is a file at each; all that are missing are said together.
///
/// # Errors
/// [`DataError::Invalid`] for the folder.
pub fn all_there(folder: &Path, paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, DataError> {
    let missing = paths.iter().filter(|path| !path.is_file());
    let problems: Vec<_> =
        missing.map(|path| format!("{}: there is no such file", path.display())).collect();
    if problems.is_empty() {
        Ok(paths)
    } else {
        Err(DataError::Invalid { path: folder.into(), problems })
    }
}

/// A number from 0 to 1, for clap.
///
/// # Errors
/// Anything else.
pub fn share<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (T::from(0)..=T::from(1)).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_patterns_and_odd_names() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        for name in ["b.JPG", "a.png", "notes.txt", "sub/c.webp", "odd[1].png"] {
            fs::write(at(name), "").unwrap();
        }
        let names = |arguments: &[PathBuf]| -> Vec<String> {
            let relative =
                |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
            expand(arguments).unwrap().into_iter().map(relative).collect()
        };
        assert_eq!(names(&[root.path().into()]), ["a.png", "b.JPG", "odd[1].png", "sub/c.webp"]);
        assert_eq!(names(&[at("*.png")]), ["a.png", "odd[1].png"]);
        assert_eq!(names(&[at("odd[1].png"), at("missing.jpg")]), ["odd[1].png", "missing.jpg"]);
        assert!(expand(&[at("*.gif")]).is_err());
        fs::create_dir(at("empty")).unwrap();
        assert!(expand(&[at("empty")]).is_err());
    }
}
