//! Files from what users name: files, folders, patterns.

use crate::exit::Usage;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

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
