//! The crate's error: one variant per remedy, each naming the file and the tensor.

use std::fmt::Write;
use std::path::PathBuf;

/// Why a checkpoint could not be found, read or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A path that is not a regular file, or one larger than any checkpoint.
    #[error("{}: {reason}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Weights in another format than safetensors.
    #[error("{origin} is {found}, not safetensors: {remedy}")]
    Format {
        /// The file.
        origin: String,
        /// What its first bytes say.
        found: &'static str,
        /// How to get there.
        remedy: String,
    },
    /// A safetensors file that is cut, padded or otherwise damaged.
    #[error("{origin} is not a whole safetensors file ({source}): download or copy it again")]
    Safetensors {
        /// The file.
        origin: String,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A tensor of a type that no weight has.
    #[error("{origin}: {tensor} has type {dtype}: expected f32, f16, bf16 or f64")]
    Dtype {
        /// The file.
        origin: String,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// Weights that are not numbers, or variances below zero.
    #[error("{origin}: {}: the file is damaged, or its training diverged", list(problems))]
    Values {
        /// The file.
        origin: String,
        /// `tensor: problem`, one each.
        problems: Vec<String>,
    },
    /// The tensors of a checkpoint are not those of the network.
    #[error("{}", mismatch(.0))]
    Mismatch(Box<Mismatch>),
    /// A `config.json` or another description that can't be used.
    #[error("{origin}: {reason}")]
    Config {
        /// The file.
        origin: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A model that nobody published, or no model at all.
    #[error("unknown model {name:?}: {remedy}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        remedy: String,
    },
    /// The hub, or its cache.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// candle refused an operation.
    #[error(transparent)]
    Candle(#[from] candle::Error),
}

/// All differences between a checkpoint and the network that should load it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// The file.
    pub origin: String,
    /// Tensors that the network needs and the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the network has no place for.
    pub unexpected: Vec<String>,
    /// Name, expected shape, found shape.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// The network whose tensors these are, where that can be told.
    pub looks_like: Option<String>,
}

impl Mismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.shapes.is_empty()
    }
}

fn list(items: &[String]) -> String {
    items.join(", ")
}

fn mismatch(m: &Mismatch) -> String {
    let mut text = format!("{} does not fit the network", m.origin);
    if let Some(name) = &m.looks_like {
        let _ = write!(text, " (its tensors are those of {name}: name that one)");
    }
    let mut section = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            let _ = write!(text, "\n  {} {title}:", items.len());
            items.iter().for_each(|item| text.extend(["\n    ", item]));
        }
    };
    section("missing", m.missing.clone());
    section("unexpected", m.unexpected.clone());
    let shape = |(name, expected, found): &(String, Vec<usize>, Vec<usize>)| {
        format!("{name}: expected {expected:?}, found {found:?}")
    };
    section("of another shape", m.shapes.iter().map(shape).collect());
    text
}
