//! What was asked for, which every error of a request tells, and which part of it is missing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::HubError;

/// What was asked for: the part that all errors of one request have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Address of the file.
    pub url: String,
    /// Folder of the cache that the file belongs in.
    pub cache: PathBuf,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (cache {})", self.url, self.cache.display())
    }
}

impl Asked {
    /// The error of a file that cannot be read.
    pub(super) fn unreadable(self: &Arc<Self>, path: &Path, cause: io::Error) -> HubError {
        HubError::Io { asked: Arc::clone(self), action: "read", path: path.to_owned(), cause }
    }

    /// The error of a file or folder that cannot be written, sorted by its way out.
    pub(super) fn unwritable(
        self: &Arc<Self>,
        action: &'static str,
        path: &Path,
        cause: io::Error,
    ) -> HubError {
        let (asked, path) = (Arc::clone(self), path.to_owned());
        match cause.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => HubError::CacheNotWritable { asked, path, cause },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                HubError::DiskFull { asked, path, needed: None, cause }
            }
            _ => HubError::Io { asked, action, path, cause },
        }
    }
}

/// Which part of a request the hub does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The repository: it does not exist, or it is private.
    Repository,
    /// The branch, tag or commit.
    Revision,
    /// The file.
    File,
    /// The server did not say.
    Unknown,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repository => "repository",
            Self::Revision => "revision",
            Self::File => "file",
            Self::Unknown => "repository, revision or file",
        })
    }
}
