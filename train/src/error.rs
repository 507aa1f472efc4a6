//! The crate's error: one variant per remedy.

use std::path::{Path, PathBuf};

/// What a training run can end with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file or folder can't be written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A data set that can't be used, with everything that is wrong.
    #[error("{}: {} problems:\n  {}", path.display(), problems.len(), first(problems))]
    Data {
        /// The data set.
        path: PathBuf,
        /// One line each.
        problems: Vec<String>,
    },
    /// A picture that can't be decoded.
    #[error(transparent)]
    Picture(#[from] ghostnetv2::picture::PictureError),
    /// A checkpoint that is damaged, or none of this crate's.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// A checkpoint of a run with other data or another configuration.
    #[error(
        "{} is of another run:\n  {}\ngive the same arguments, or another --out",
        path.display(), differences.join("\n  ")
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// One line for each key that differs.
        differences: Vec<String>,
    },
    /// A loss or a gradient that is no number.
    #[error(
        "{what} at step {step} is {value}: lower the learning rate, clip gradients or warm up \
         longer; the state is in {}, and the last good checkpoint is untouched",
        dump.display()
    )]
    NotFinite {
        /// `the loss` or `the norm of the gradients`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Which step of the run, from 0.
        step: u64,
        /// Where the state is.
        dump: PathBuf,
    },
    /// A configuration that makes no sense.
    #[error("{0}")]
    Configuration(String),
    /// A model that can't be found or loaded.
    #[error(transparent)]
    Model(#[from] ghostnetv2::Error),
    /// A data set of the heads.
    #[error(transparent)]
    Heads(#[from] heads::data::DataError),
    /// What candle says.
    #[error(transparent)]
    Candle(#[from] candle::Error),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Read { path: path.into(), source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Write { path: path.into(), source }
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
