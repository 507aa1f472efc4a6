//! Labelled pictures in the layouts of ImageNet: a folder per class, or a list.

use super::DataError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A picture and the WordNet id of its class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labelled {
    /// The picture's file.
    pub path: PathBuf,
    /// Such as `n02123045`.
    pub wnid: String,
}

/// WordNet ids and words, in class order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    entries: Vec<(String, String)>,
}

impl Classes {
    /// Reads one class per line: the WordNet id, white space, the words. Both Caffe's
    /// `synset_words.txt` and tab-separated tables have this form.
    ///
    /// # Errors
    /// [`DataError::Invalid`] with every line that is not one; `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, DataError> {
        let mut problems = Vec::new();
        let mut entries: Vec<(String, String)> = Vec::new();
        let mut seen = BTreeMap::new();
        for (i, line) in lines(text) {
            let (wnid, words) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if !is_wnid(wnid) {
                problems.push(format!(
                    "line {i}: expected a WordNet id such as n01440764, found {wnid:?}"
                ));
            } else if let Some(before) = seen.insert(wnid, i) {
                problems.push(format!("line {i}: {wnid} stands on line {before} already"));
            }
            entries.push((wnid.into(), words.trim().into()));
        }
        if entries.is_empty() {
            problems.push("no classes".into());
        }
        if problems.is_empty() {
            Ok(Self { entries })
        } else {
            Err(DataError::invalid(path, problems))
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: [`Classes::parse`] refuses that.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The WordNet id of a class.
    pub fn wnid(&self, class: usize) -> Option<&str> {
        self.entries.get(class).map(|entry| entry.0.as_str())
    }

    /// WordNet ids and words, in class order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(wnid, words)| (wnid.as_str(), words.as_str()))
    }
}

/// Pictures in one folder per class, named by WordNet ids: ImageNet's training layout.
///
/// # Errors
/// A folder that can't be read or holds no pictures in such folders.
pub fn folder(root: &Path) -> Result<Vec<Labelled>, DataError> {
    let mut pictures = Vec::new();
    for class in entries(root)? {
        let Some(wnid) = class.file_name().and_then(|name| name.to_str()).filter(|n| is_wnid(n))
        else {
            continue;
        };
        if class.is_dir() {
            let files = entries(&class)?.into_iter().filter(|path| path.is_file());
            pictures.extend(files.map(|path| Labelled { path, wnid: wnid.into() }));
        }
    }
    if pictures.is_empty() {
        let problem = "no pictures in folders named by WordNet ids, such as n01440764/x.jpg";
        return Err(DataError::invalid(root, vec![problem.into()]));
    }
    Ok(pictures)
}

/// Pictures in a list of `NAME, CLASS` lines, comma or tab between: NAME is relative to the
/// list's folder or to `images`, CLASS an index into `classes` or a WordNet id. Further columns,
/// as Tiny-ImageNet's boxes, are passed over.
///
/// # Errors
/// [`DataError::Invalid`] with all lines that are wrong and all pictures that are missing.
pub fn list(
    file: &Path,
    images: Option<&Path>,
    classes: &Classes,
) -> Result<Vec<Labelled>, DataError> {
    let text = fs::read_to_string(file).map_err(DataError::io(file))?;
    let root = images.or_else(|| file.parent()).unwrap_or(Path::new("."));
    let (mut pictures, mut problems) = (Vec::new(), Vec::new());
    for (i, line) in lines(&text) {
        let mut columns = line.split([',', '\t']).map(str::trim);
        let (Some(name), Some(class)) = (columns.next(), columns.next()) else {
            problems.push(format!("line {i}: expected NAME, CLASS, found {line:?}"));
            continue;
        };
        let wnid = match class.parse::<usize>() {
            Ok(index) => classes.wnid(index),
            Err(_) => Some(class).filter(|class| is_wnid(class)),
        };
        let path = root.join(name);
        match wnid {
            None => problems.push(format!(
                "line {i}: expected a class below {} or a WordNet id, found {class:?}",
                classes.len()
            )),
            Some(_) if !path.is_file() => {
                problems.push(format!("line {i}: no picture {}", path.display()));
            }
            Some(wnid) => pictures.push(Labelled { path, wnid: wnid.into() }),
        }
    }
    if pictures.is_empty() && problems.is_empty() {
        problems.push("no pictures".into());
    }
    if problems.is_empty() { Ok(pictures) } else { Err(DataError::invalid(file, problems)) }
}

fn is_wnid(text: &str) -> bool {
    text.strip_prefix('n').is_some_and(|id| id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit()))
}

/// Lines that are not blank, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: folder.into(), source };
    let read = fs::read_dir(folder).map_err(io)?;
    let mut paths: Vec<_> =
        read.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>().map_err(io)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: &str = "n01440764 tench, Tinca tinca\nn01443537\tgoldfish\n";

    fn classes() -> Classes {
        Classes::parse(Path::new("classes.txt"), CLASSES).unwrap()
    }

    #[test]
    fn classes_in_both_forms() {
        let classes = classes();
        let all: Vec<_> = classes.iter().collect();
        assert_eq!(all, [("n01440764", "tench, Tinca tinca"), ("n01443537", "goldfish")]);
        let wrong = Classes::parse(Path::new("c"), "tench\nn01440764 a\nn01440764 b").unwrap_err();
        let text = wrong.to_string();
        assert!(text.contains("line 1") && text.contains("line 3"), "{text}");
    }

    #[test]
    fn lists_report_everything_at_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.jpg"), "").unwrap();
        let file = folder.path().join("list.txt");
        fs::write(&file, "a.jpg, 1\na.jpg\tn01440764\t0\t0\n").unwrap();
        let pictures = list(&file, None, &classes()).unwrap();
        let wnids: Vec<_> = pictures.iter().map(|p| p.wnid.as_str()).collect();
        assert_eq!(wnids, ["n01443537", "n01440764"]);

        fs::write(&file, "a.jpg\nb.jpg, 1\na.jpg, 2\na.jpg, cat\n").unwrap();
        let text = list(&file, None, &classes()).unwrap_err().to_string();
        for expected in ["4 problems", "line 1", "b.jpg", "below 2", "\"cat\""] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        fs::write(&file, "\n").unwrap();
        assert!(list(&file, None, &classes()).is_err());
    }

    #[test]
    fn folders_by_class() {
        let root = tempfile::tempdir().unwrap();
        assert!(folder(root.path()).is_err());
        for (class, file) in [("n01443537", "b.jpg"), ("n01440764", "a.jpg"), ("notes", "x.txt")] {
            fs::create_dir(root.path().join(class)).unwrap();
            fs::write(root.path().join(class).join(file), "").unwrap();
        }
        let pictures = folder(root.path()).unwrap();
        let wnids: Vec<_> = pictures.iter().map(|p| p.wnid.as_str()).collect();
        assert_eq!(wnids, ["n01440764", "n01443537"]);
    }
}
