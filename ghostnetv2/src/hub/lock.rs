//! One download of a file at a time, across threads and processes, Python's included.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::progress::{Event, Progress};

/// A lock on a download, released when dropped.
pub(super) enum Lock {
    /// Nobody else downloads the file.
    Held {
        /// The open file is the lock.
        _file: File,
    },
    /// The file system has no locks: others may be downloading the same file.
    Unsupported,
}

impl Lock {
    /// Waits for the lock as long as it takes: whoever holds it gives a silent server up after its
    /// own time-outs, and the system releases the lock of a process that dies.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn acquire(path: &Path, progress: &mut dyn Progress) -> io::Result<Self> {
        let file = File::options().create(true).write(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok(Self::Held { _file: file }),
            Err(TryLockError::WouldBlock) => progress.event(&Event::Waiting { lock: path }),
            Err(TryLockError::Error(_)) => return Ok(Self::Unsupported),
        }
        loop {
            match file.lock() {
                Ok(()) => return Ok(Self::Held { _file: file }),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(Self::Unsupported),
            }
        }
    }
}
