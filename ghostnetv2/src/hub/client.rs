//! The hub as a caller sees it: from a name to a file on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::asked::Asked;
use super::cache::RepoCache;
use super::checks::{Checks, Fault, Pinned};
use super::config::HubConfig;
use super::download::Download;
use super::error::HubError;
use super::http::Http;
use super::metadata::Metadata;
use super::names::check_relative;
use super::progress::{Event, Progress};
use super::repo_id::RepoId;
use super::retry::Backoff;
use super::url::Url;

/// A client of a Hugging Face hub and of its cache. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: HubConfig,
    endpoint: Url,
    http: Http,
}

impl Hub {
    /// Makes a client; nothing is requested or written yet.
    ///
    /// # Errors
    /// [`HubError::InvalidSetting`] when the endpoint is not a URL.
    pub fn new(config: HubConfig) -> Result<Self, HubError> {
        let endpoint = Url::parse(config.endpoint.trim())
            .and_then(|url| if url.has_query() { Err("it has a query") } else { Ok(url) })
            .map_err(|problem| HubError::InvalidSetting {
                name: "HF_ENDPOINT",
                // The value itself may hold a password.
                problem: format!("expected a URL such as https://huggingface.co, but {problem}"),
            })?;
        let http = Http::new(&config, &endpoint);
        Ok(Self { shared: Arc::new(Shared { config, endpoint, http }) })
    }

    /// The path of a repository's file in the cache, which brings it there first if it has to.
    ///
    /// The hub is not asked if the revision is a full commit and the cache has the file, or if the
    /// configuration says offline. If the hub cannot be reached, the copy that the cache has for
    /// the revision is used, after a single attempt, and [`Event::UsingCache`] is sent.
    ///
    /// The file's size and checksum are verified each time, as far as the hub's ETag or `expected`
    /// tells them; what is damaged is replaced.
    ///
    /// # Errors
    /// A [`HubError`] that names the URL, the path in the cache and the way out. Only finished and
    /// verified files ever have their final name in the cache.
    ///
    /// # Example
    /// ```no_run
    /// use ghostnetv2::hub::{Hub, HubConfig, RepoId};
    ///
    /// let hub = Hub::new(HubConfig::from_env()?)?;
    /// let repo = RepoId::parse("timm/ghostnetv2_100.in1k")?;
    /// let weights = hub.get(&repo, "model.safetensors", None, &mut ())?;
    /// # Ok::<(), ghostnetv2::hub::HubError>(())
    /// ```
    pub fn get(
        &self,
        repo: &RepoId,
        file: &str,
        expected: Option<&Pinned>,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        check_relative("file name", file)?;
        let Shared { config, endpoint, http } = &*self.shared;
        let url = endpoint.file(repo.id(), repo.revision(), file);
        let asked = Arc::new(Asked { url: url.to_string(), cache: config.cache.clone() });
        let cache = RepoCache::new(&config.cache, repo, &asked);
        Request { config, http, repo, file, expected, url, asked, cache }.run(progress)
    }
}

/// One call of [`Hub::get`].
struct Request<'a> {
    config: &'a HubConfig,
    http: &'a Http,
    repo: &'a RepoId,
    file: &'a str,
    expected: Option<&'a Pinned>,
    url: Url,
    asked: Arc<Asked>,
    cache: RepoCache,
}

impl Request<'_> {
    fn run(&self, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        if self.config.offline {
            return self.cached();
        }
        let found = self.cache.find(self.repo, self.file).is_ok();
        if found
            && self.repo.is_pinned()
            && let Ok(path) = self.cached()
        {
            return Ok(path);
        }
        match self.fetch(found, progress) {
            Err(why) if found && why.is_transient() => {
                // A damaged copy is no way out: then the trouble with the network is what counts.
                let Ok(path) = self.cached() else { return Err(why) };
                progress.event(&Event::UsingCache { path: &path, why: &why });
                Ok(path)
            }
            outcome => outcome,
        }
    }

    /// The file from the cache alone, if it is there and in order.
    fn cached(&self) -> Result<PathBuf, HubError> {
        let asked = || self.asked.clone();
        let path = self
            .cache
            .find(self.repo, self.file)
            .map_err(|path| HubError::NotCached { asked: asked(), path })?;
        match self.fault(&self.cache.checks(&path, self.expected), &path)? {
            None => Ok(path),
            Some(fault) => Err(HubError::CorruptCache { asked: asked(), path, fault }),
        }
    }

    /// The file as the hub has it now; `found` tells whether the cache could stand in.
    fn fetch(&self, found: bool, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        let backoff = Backoff {
            retries: self.config.retries,
            first: self.config.first_pause,
            longest: self.config.longest_pause,
        };
        // Who has a copy should not wait for a hub that is away.
        let patience = if found { Backoff { retries: 0, ..backoff } } else { backoff };
        let metadata =
            patience.run(progress, |_| Metadata::fetch(self.http, &self.asked, &self.url))?;
        let checks = metadata.checks(&self.asked, self.repo, self.expected)?;
        let Metadata { commit, etag, .. } = &metadata;

        let pointer = self.cache.pointer(commit, self.file);
        if !pointer.is_file() || self.fault(&checks, &pointer)?.is_some() {
            let blob = self.cache.blob(etag);
            if !blob.is_file() || self.fault(&checks, &blob)?.is_some() {
                let Self { http, asked, url, file, cache, .. } = self;
                let checks = &checks;
                Download { http, asked, url, file, cache, etag, checks, backoff }.run(progress)?;
            }
            self.cache.point(commit, self.file, etag)?;
        }
        match self.cache.write_reference(self.repo, commit) {
            // The file itself is there, and a cache that others keep stays as it is.
            Err(HubError::CacheNotWritable { .. }) | Ok(()) => Ok(pointer),
            Err(error) => Err(error),
        }
    }

    fn fault(&self, checks: &Checks, path: &Path) -> Result<Option<Fault>, HubError> {
        checks.fault(path).map_err(|e| self.asked.unreadable(path, e))
    }
}
