//! How a caller watches a download. The library itself never prints.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::error::HubError;

/// Receives the progress of a download; `()` ignores it.
///
/// Nothing is called for a file that the cache holds already.
pub trait Progress {
    /// A transfer begins, or begins anew after an interruption.
    ///
    /// `total` is the size of the file in bytes, if known, and `resumed` the number of bytes that
    /// an earlier transfer has left, from which this one goes on.
    fn start(&mut self, file: &str, total: Option<u64>, resumed: u64);

    /// So many more bytes have arrived.
    fn advance(&mut self, bytes: u64);

    /// The file is complete and its checksum is right. Not called when the download fails.
    fn finish(&mut self);

    /// Something happened that a patient user may want to know.
    fn event(&mut self, _event: &Event<'_>) {}
}

impl Progress for () {
    fn start(&mut self, _file: &str, _total: Option<u64>, _resumed: u64) {}
    fn advance(&mut self, _bytes: u64) {}
    fn finish(&mut self) {}
}

/// A delay or a detour. `Display` gives a line for the user.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another process downloads the same file; this one waits for it.
    Waiting {
        /// The lock that the other one holds.
        lock: &'a Path,
    },
    /// The request failed and is repeated after a pause.
    Retrying {
        /// Which repetition this is, from 1.
        retry: u32,
        /// How many repetitions there are at most.
        retries: u32,
        /// How long the pause is.
        delay: Duration,
        /// Why it failed.
        why: &'a HubError,
    },
    /// The hub cannot be asked; the copy in the cache is used, which may be an older one.
    UsingCache {
        /// The copy.
        path: &'a Path,
        /// Why the hub cannot be asked.
        why: &'a HubError,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { lock } => {
                write!(f, "waiting for another download of this file (lock {})", lock.display())
            }
            Self::Retrying { retry, retries, delay, why } => {
                let seconds = delay.as_secs_f32();
                write!(f, "retry {retry} of {retries} in {seconds:.1} s: {why}")
            }
            Self::UsingCache { path, why } => {
                write!(f, "using the cached copy {}: {why}", path.display())
            }
        }
    }
}
