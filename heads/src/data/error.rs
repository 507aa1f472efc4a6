//! Why a data set can't be used: everything that is wrong with it, together.

use std::path::{Path, PathBuf};

/// Why a data set can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Everything that is wrong with a list, a file or a folder, together.
    #[error("{}: {} problems:\n  {}", path.display(), problems.len(), first(problems))]
    Invalid {
        /// The file or folder.
        path: PathBuf,
        /// One line each.
        problems: Vec<String>,
    },
}

impl DataError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(crate) fn invalid(path: &Path, problems: Vec<String>) -> Self {
        Self::Invalid { path: path.into(), problems }
    }
}

fn first(problems: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = problems[..problems.len().min(SHOWN)].join("\n  ");
    if problems.len() > SHOWN {
        text += &format!("\n  and {} more", problems.len() - SHOWN);
    }
    text
}
