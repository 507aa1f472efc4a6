//! What can go wrong between a model's name and its file. Every message says which URL, which
//! path of the cache, and what to do next.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::asked::{Asked, Missing};
use super::checks::Fault;

/// An error of [`Hub`](super::Hub) or of its configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HubError {
    /// A repository, revision or file name that is malformed or would leave the cache.
    #[error("the {what} {given:?} is not valid: {problem}")]
    InvalidName {
        /// Which kind of name.
        what: &'static str,
        /// The name.
        given: String,
        /// What is wrong, or what is expected.
        problem: &'static str,
    },

    /// An environment variable or a field of the configuration that cannot be used.
    #[error("{name} cannot be used: {problem}")]
    InvalidSetting {
        /// The variable, which is also the way out.
        name: &'static str,
        /// What is wrong; never the value of a token.
        problem: String,
    },

    /// No folder for the cache is known.
    #[error(
        "no folder for downloads is known, as there is no home folder; \
         set HF_HUB_CACHE or HF_HOME to a folder that can be written"
    )]
    NoCacheFolder,

    /// 401: the repository is private, gated or missing, or the token is wrong.
    #[error(
        "{asked}: the hub wants to know who asks (401), because the repository is gated, private \
         or does not exist; check its name, then {}",
        if *.token_sent { "replace the token in HF_TOKEN, which was sent and not accepted" }
        else { "set HF_TOKEN to a token that may read it" }
    )]
    AuthRequired {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Whether a token was sent with the request.
        token_sent: bool,
    },

    /// 403: known, but not allowed.
    #[error(
        "{asked}: access is refused (403); if the repository is gated, accept its terms on its \
         page with the account of the token in HF_TOKEN"
    )]
    Forbidden {
        /// What was asked for.
        asked: Arc<Asked>,
    },

    /// 404: there is no such repository, revision or file.
    #[error("{asked}: no such {what} (404); check the spelling of the name")]
    NotFound {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Which part is missing.
        what: Missing,
    },

    /// 429: too many requests.
    #[error("{asked}: the hub limits the number of requests (429); wait, or set HF_TOKEN")]
    RateLimited {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The wait that the hub asks for.
        retry_after: Option<Duration>,
    },

    /// 5xx: the hub has a problem.
    #[error("{asked}: the server has a problem ({status}); try again later")]
    ServerError {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The HTTP status.
        status: u16,
        /// The wait that the server asks for.
        retry_after: Option<Duration>,
    },

    /// Any other status.
    #[error(
        "{asked}: unexpected answer {status} from {host}; check that HF_ENDPOINT is a Hugging Face \
         hub"
    )]
    UnexpectedStatus {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Who answered.
        host: String,
        /// The HTTP status.
        status: u16,
    },

    /// No connection.
    #[error(
        "{asked}: cannot reach {host}: {cause}; check the network, the proxy and HF_ENDPOINT, or \
         copy the file into the cache and set HF_HUB_OFFLINE=1"
    )]
    Unreachable {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Who was called.
        host: String,
        /// The network's own words.
        cause: String,
    },

    /// The server was silent for too long.
    #[error(
        "{asked}: {host} was silent for too long while {phase}; try again, or allow more time with \
         HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT (seconds)"
    )]
    TimedOut {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Who was called.
        host: String,
        /// What was being waited for.
        phase: &'static str,
    },

    /// TLS failed, or the other end does not speak it.
    #[error(
        "{asked}: no secure connection to {host}: {cause}; check the clock, HF_ENDPOINT, and \
         whether a proxy intercepts TLS"
    )]
    Tls {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Who was called.
        host: String,
        /// The reason.
        cause: String,
    },

    /// The answer is not HTTP as it should be.
    #[error("{asked}: {host} does not speak HTTP as it should: {cause}; check HF_ENDPOINT")]
    Malformed {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Who answered.
        host: String,
        /// What is wrong.
        cause: String,
    },

    /// A header that a hub always sends is missing.
    #[error("{asked}: the answer has no {header} header; check that HF_ENDPOINT is a hub")]
    MissingHeader {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The header.
        header: &'static str,
    },

    /// A header has a value that cannot be used.
    #[error("{asked}: the header {header} is {value:?}, expected {expected}; check HF_ENDPOINT")]
    BadHeader {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The header.
        header: &'static str,
        /// What it says.
        value: String,
        /// What it should say.
        expected: String,
    },

    /// A redirect that cannot be followed.
    #[error("{asked}: a redirect cannot be followed: {problem}; check HF_ENDPOINT")]
    BadRedirect {
        /// What was asked for.
        asked: Arc<Asked>,
        /// What is wrong.
        problem: &'static str,
    },

    /// The connection ended before the file did.
    #[error(
        "{asked}: the connection ended after {found} of {} bytes; run again: what has arrived is \
         kept and continued",
        .expected.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string())
    )]
    Interrupted {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The size that was announced.
        expected: Option<u64>,
        /// What arrived.
        found: u64,
    },

    /// The file that arrived is not the one that the hub describes.
    #[error(
        "{asked}: what arrived is not the file that was announced: {fault}; nothing was kept; try \
         again, or check whether a proxy changes downloads"
    )]
    Corrupt {
        /// What was asked for.
        asked: Arc<Asked>,
        /// What differs.
        fault: Fault,
    },

    /// The hub describes another file than the one that the caller has pinned.
    #[error(
        "{asked}: the hub has another file than the pinned one: {fault}; ask for the revision that \
         the pin was made from, or correct the pin"
    )]
    NotAsPinned {
        /// What was asked for.
        asked: Arc<Asked>,
        /// What differs.
        fault: Fault,
    },

    /// Offline, and not in the cache.
    #[error(
        "{asked}: offline, and {} is not in the cache; run once without HF_HUB_OFFLINE, or copy \
         the cache of a machine that has it",
        .path.display()
    )]
    NotCached {
        /// What was asked for.
        asked: Arc<Asked>,
        /// Where it was looked for.
        path: PathBuf,
    },

    /// Offline, and the copy in the cache is damaged.
    #[error(
        "{asked}: offline, and {} is damaged: {fault}; run once without HF_HUB_OFFLINE to replace \
         it",
        .path.display()
    )]
    CorruptCache {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The damaged file.
        path: PathBuf,
        /// What differs.
        fault: Fault,
    },

    /// The cache cannot be written.
    #[error(
        "{asked}: cannot write {}: {cause}; set HF_HUB_CACHE to a folder that can be written",
        .path.display()
    )]
    CacheNotWritable {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The folder or file that was to be written.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },

    /// The disk or the quota is full.
    #[error(
        "{asked}: no room left for {}{}: {cause}; free some, or set HF_HUB_CACHE to a folder on \
         another disk",
        .path.display(), .needed.map_or_else(String::new, |n| format!(" ({n} bytes)"))
    )]
    DiskFull {
        /// What was asked for.
        asked: Arc<Asked>,
        /// The file that was being written.
        path: PathBuf,
        /// Size of the whole file, where known.
        needed: Option<u64>,
        /// The system's own words.
        cause: io::Error,
    },

    /// Any other trouble with the cache.
    #[error("{asked}: cannot {action} {}: {cause}; check this path of the cache", .path.display())]
    Io {
        /// What was asked for.
        asked: Arc<Asked>,
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
}

impl HubError {
    /// Whether the same request may succeed later: the network or the server is at fault, not the
    /// request.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::ServerError { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Interrupted { .. }
        )
    }

    /// Whether the hub has no such file, as for the optional files of a repository.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::ServerError { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}
