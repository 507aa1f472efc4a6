//! What the hub says about a file before it is downloaded: commit, ETag and size.

use std::sync::Arc;

use ureq::http::HeaderMap;

use super::asked::Asked;
use super::checks::{Checks, Pinned};
use super::error::HubError;
use super::http::{Http, Method, Response};
use super::names::is_safe;
use super::repo_id::RepoId;
use super::url::Url;

/// A file as the hub describes it.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// The commit that the revision stands for; safe as a name in the cache.
    pub commit: String,
    /// Identifies the contents; safe as a name in the cache.
    pub etag: String,
    /// Size in bytes, where the hub tells.
    pub size: Option<u64>,
}

impl Metadata {
    /// Asks the hub.
    pub fn fetch(http: &Http, asked: &Arc<Asked>, url: &Url) -> Result<Self, HubError> {
        let answer = match http.describe(asked, url, Method::Head) {
            // Some proxies and mirrors know GET only; its headers are the same.
            Err(HubError::UnexpectedStatus { status: 405 | 501, .. }) => {
                http.describe(asked, url, Method::Get)
            }
            answer => answer,
        };
        Headers { asked, response: &answer? }.read()
    }

    /// The checks that the file has to pass.
    ///
    /// # Errors
    /// When the hub describes another file than the one that is pinned, or does not tell enough to
    /// notice that a file is cut short.
    pub fn checks(
        &self,
        asked: &Arc<Asked>,
        repo: &RepoId,
        pinned: Option<&Pinned>,
    ) -> Result<Checks, HubError> {
        let asked = asked.clone();
        if repo.is_pinned() && self.commit != repo.revision() {
            return Err(HubError::BadHeader {
                asked,
                header: "X-Repo-Commit",
                value: self.commit.clone(),
                expected: format!("the commit that was asked for, {}", repo.revision()),
            });
        }
        let contradiction =
            pinned.and_then(|pinned| Checks::contradiction(&self.etag, self.size, pinned));
        if let Some(fault) = contradiction {
            return Err(HubError::NotAsPinned { asked, fault });
        }
        let checks = Checks::new(&self.etag, self.size, pinned);
        if !checks.notice_truncation() {
            return Err(HubError::MissingHeader { asked, header: "Content-Length" });
        }
        Ok(checks)
    }
}

/// Reads the headers that describe a file.
struct Headers<'a> {
    asked: &'a Arc<Asked>,
    response: &'a Response,
}

impl Headers<'_> {
    fn read(&self) -> Result<Metadata, HubError> {
        let commit = self.required("X-Repo-Commit")?;
        let linked = self.optional("X-Linked-Etag")?;
        let (header, etag) = match &linked {
            Some(etag) => ("X-Linked-Etag", etag),
            None => ("ETag", &self.required("ETag")?),
        };
        let etag = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
        Ok(Metadata {
            commit: self.safe("X-Repo-Commit", &commit)?,
            etag: self.safe(header, etag)?,
            size: self.size()?,
        })
    }

    fn size(&self) -> Result<Option<u64>, HubError> {
        if let Some(size) = self.optional("X-Linked-Size")? {
            return self.number("X-Linked-Size", &size).map(Some);
        }
        // Otherwise the length is that of the file only if this is the file, and as it is.
        let encoding = self.optional("Content-Encoding")?;
        let as_is = encoding.is_none_or(|encoding| encoding == "identity");
        match self.optional("Content-Length")? {
            Some(size) if as_is && self.response.status().is_success() => {
                self.number("Content-Length", &size).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    fn optional(&self, header: &'static str) -> Result<Option<String>, HubError> {
        let Some(value) = self.headers().get(header) else { return Ok(None) };
        match value.to_str() {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(_) => {
                Err(self.bad(header, &String::from_utf8_lossy(value.as_bytes()), "ASCII text"))
            }
        }
    }

    fn required(&self, header: &'static str) -> Result<String, HubError> {
        let missing = || HubError::MissingHeader { asked: self.asked.clone(), header };
        self.optional(header)?.ok_or_else(missing)
    }

    /// A value that becomes a name in the cache must not lead out of it.
    fn safe(&self, header: &'static str, value: &str) -> Result<String, HubError> {
        if is_safe(value) {
            Ok(value.to_owned())
        } else {
            Err(self.bad(header, value, "letters and digits, as it becomes a file name"))
        }
    }

    fn number(&self, header: &'static str, value: &str) -> Result<u64, HubError> {
        value.parse().map_err(|_| self.bad(header, value, "a number of bytes"))
    }

    fn bad(&self, header: &'static str, value: &str, expected: &str) -> HubError {
        let (asked, expected) = (self.asked.clone(), expected.to_owned());
        HubError::BadHeader { asked, header, value: value.to_owned(), expected }
    }
}
