//! Names of classes.

use crate::exit::Usage;
use anyhow::{Context, Result};
use ghostnetv2::weights::TimmConfig;
use heads::data::imagenet::Classes;
use std::fs;
use std::path::Path;

/// ImageNet-1k in class order: WordNet id, tab, words.
const IMAGENET: &str = include_str!("../../assets/imagenet1k_classes.txt");

/// The 1000 classes of ImageNet.
///
/// # Errors
/// None in practice: the table is part of the program.
pub fn imagenet() -> Result<Classes> {
    Ok(Classes::parse(Path::new("imagenet1k_classes.txt"), IMAGENET)?)
}

/// Names of the classes that a model tells apart.
#[derive(Clone, Debug)]
pub struct Labels {
    /// What is shown: words where they are known.
    words: Vec<String>,
    /// WordNet ids, where the classes have them.
    wnids: Option<Vec<String>>,
}

impl Labels {
    /// From `label_names` of the checkpoint, else ImageNet's if there are 1000 classes, else numbers.
    ///
    /// # Errors
    /// `label_names` that don't fit the classes.
    pub fn of_model(config: Option<&TimmConfig>, classes: usize) -> Result<Self> {
        let named = match config {
            Some(config) => config.label_names()?.map(|names| (config, names)),
            None => None,
        };
        if let Some((config, names)) = named.filter(|(_, names)| names.len() == classes) {
            let words = |name: &String| config.label_description(name).unwrap_or(name).to_owned();
            return Ok(Self { words: names.iter().map(words).collect(), wnids: Some(names) });
        }
        let imagenet = imagenet()?;
        if classes == imagenet.len() {
            let (wnids, words) = imagenet.iter().map(|(w, n)| (w.to_owned(), n.to_owned())).unzip();
            return Ok(Self { words, wnids: Some(wnids) });
        }
        Ok(Self { words: (0..classes).map(|i| format!("class {i}")).collect(), wnids: None })
    }

    /// From a file with one name per line.
    ///
    /// # Errors
    /// As [`lines`].
    pub fn of_file(path: &Path, classes: usize) -> Result<Self> {
        Ok(Self { words: lines(path, classes)?, wnids: None })
    }

    /// The name of a class.
    pub fn name(&self, class: usize) -> &str {
        self.words.get(class).map_or("?", String::as_str)
    }

    /// The class with a WordNet id.
    pub fn class_of(&self, wnid: &str) -> Option<usize> {
        self.wnids.as_ref()?.iter().position(|known| known == wnid)
    }
}

/// One name for each class, from a file with one a line.
///
/// # Errors
/// A file that can't be read, or another number of lines than there are classes.
pub fn lines(path: &Path, classes: usize) -> Result<Vec<String>> {
    let text = fs::read_to_string(path)
        .map_err(|error| Usage(format!("can't read the labels {}: {error}", path.display())))?;
    let words: Vec<String> = text.trim_end().lines().map(|l| l.trim().to_owned()).collect();
    if words.len() != classes {
        let (path, lines) = (path.display(), words.len());
        let text = format!("{path}: {lines} labels for {classes} classes: expected one per line");
        return Err(Usage(text)).context("--labels");
    }
    Ok(words)
}
