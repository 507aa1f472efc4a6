//! Data sets with a folder per class.

use crate::Error;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of pictures, in lower case.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "webp", "gif", "tif", "tiff"];

/// A picture and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The file.
    pub path: PathBuf,
    /// An index into [`ClassFolders::classes`].
    pub class: usize,
}

/// Pictures to learn from and to be scored on, in one of these layouts:
///
/// - `train/CLASS/*.jpg` and `val/CLASS/*.jpg`, as torchvision's `ImageFolder` reads them;
/// - `train/CLASS/images/*` and `val/images/*` with `val/val_annotations.txt`: Tiny-ImageNet's.
///
/// Classes are the folders of `train/` in the order of their names.
#[derive(Clone, Debug)]
pub struct ClassFolders {
    /// Names of the classes, in order.
    pub classes: Vec<String>,
    /// Words for names, of `words.txt` where there is one.
    pub words: BTreeMap<String, String>,
    /// To learn from.
    pub train: Vec<Labelled>,
    /// To be scored on.
    pub val: Vec<Labelled>,
    /// Of classes, names, lengths of files and labels: what makes two data sets the same.
    pub digest: String,
}

impl ClassFolders {
    /// Finds all pictures under `root`.
    ///
    /// # Errors
    /// [`Error::Data`] with everything that is wrong: no classes, classes without pictures, empty
    /// files, scored pictures that are missing or of other classes.
    pub fn find(root: &Path) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let folders = |name: &str| -> Result<Vec<PathBuf>, Error> {
            let all = entries(&root.join(name))?;
            Ok(all.into_iter().filter(|path| path.is_dir()).collect())
        };
        let named = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        let train_folders = folders("train")?;
        let classes: Vec<String> = train_folders.iter().filter_map(named).collect();
        if classes.len() < 2 || classes.len() != train_folders.len() {
            problems.push(format!(
                "train/ has {} folders with names in UTF-8: expected one for each of at least 2 \
                 classes, such as train/cat/1.jpg",
                classes.len()
            ));
        }
        let class_of: BTreeMap<&str, usize> =
            classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let mut train = Vec::new();
        for (class, folder) in train_folders.iter().enumerate() {
            let before = train.len();
            let inner = folder.join("images");
            let folder = if inner.is_dir() { &inner } else { folder };
            train.extend(pictures(folder)?.into_iter().map(|path| Labelled { path, class }));
            if train.len() == before {
                problems.push(format!("{}: no pictures", folder.display()));
            }
        }
        let annotations = root.join("val").join("val_annotations.txt");
        let val = if annotations.is_file() {
            listed(&annotations, &class_of, &mut problems)?
        } else {
            let mut val = Vec::new();
            for folder in folders("val")? {
                match named(&folder).and_then(|name| class_of.get(name.as_str()).copied()) {
                    Some(class) => val.extend(
                        pictures(&folder)?.into_iter().map(|path| Labelled { path, class }),
                    ),
                    None => problems.push(format!("{}: no such class in train/", folder.display())),
                }
            }
            val
        };
        if val.is_empty() && problems.is_empty() {
            problems.push("no pictures in val/: the model is scored on them".into());
        }
        let digest = digest(root, &classes, &[&train, &val], &mut problems);
        if !problems.is_empty() {
            return Err(Error::Data { path: root.into(), problems });
        }
        Ok(Self { words: words(root, &classes)?, classes, train, val, digest })
    }
}

/// Lines of `NAME<tab>CLASS<tab>…`, of pictures in `images/` beside the file.
fn listed(
    file: &Path,
    class_of: &BTreeMap<&str, usize>,
    problems: &mut Vec<String>,
) -> Result<Vec<Labelled>, Error> {
    let text = fs::read_to_string(file).map_err(Error::read(file))?;
    let images = file.with_file_name("images");
    let mut val = Vec::new();
    for (i, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let mut columns = line.split('\t').map(str::trim);
        let (name, class) = (columns.next().unwrap_or(""), columns.next().unwrap_or(""));
        match class_of.get(class) {
            Some(&class) => val.push(Labelled { path: images.join(name), class }),
            None => problems.push(format!(
                "{}: line {i}: expected a name, a tab and a class of train/, found {line:?}",
                file.display()
            )),
        }
    }
    Ok(val)
}

/// Lines of `CLASS<tab>words`, of the classes that there are.
fn words(root: &Path, classes: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let file = root.join("words.txt");
    if !file.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(&file).map_err(Error::read(&file))?;
    let known = |line: &str| {
        let (name, words) = line.split_once('\t')?;
        let known = classes.binary_search_by(|class| class.as_str().cmp(name)).is_ok();
        known.then(|| (name.to_owned(), words.trim().to_owned()))
    };
    Ok(text.lines().filter_map(known).collect())
}

/// Hashes what makes a data set, and finds files that are empty or can't be looked at.
fn digest(
    root: &Path,
    classes: &[String],
    parts: &[&[Labelled]],
    problems: &mut Vec<String>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(classes.join("\n"));
    for part in parts {
        hash.update(b"\n\n");
        for Labelled { path, class } in *part {
            let length = match fs::metadata(path) {
                Ok(meta) if meta.is_file() && meta.len() > 0 => meta.len(),
                Ok(_) => {
                    problems.push(format!("{}: empty, or no file", path.display()));
                    continue;
                }
                Err(error) => {
                    problems.push(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            let name = path.strip_prefix(root).unwrap_or(path);
            hash.update(format!("{} {length} {class}\n", name.display()));
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
    };
    Ok(entries(folder)?.into_iter().filter(is_picture).collect())
}

/// What is in a folder, sorted; hidden files are passed over.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = fs::read_dir(folder).map_err(Error::read(folder))?;
    let paths: Result<Vec<_>, _> = read.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(Error::read(folder))?;
    let hidden = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    paths.retain(|path| !hidden(path));
    paths.sort();
    Ok(paths)
}
