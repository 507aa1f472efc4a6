//! Settings, by default the environment variables that Python's `huggingface_hub` reads.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::HubError;
use super::token::Token;

const PUBLIC_ENDPOINT: &str = "https://huggingface.co";

/// Where the hub and the cache are, and how patient to be.
///
/// # Example
/// ```
/// use ghostnetv2::hub::{Hub, HubConfig};
///
/// let mut config = HubConfig::new("models".into());
/// config.offline = true;
/// let hub = Hub::new(config)?;
/// # Ok::<(), ghostnetv2::hub::HubError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// The folder that holds `models--org--repo` folders, shared with Python.
    pub cache: PathBuf,
    /// Base URL of the hub or of a mirror.
    pub endpoint: String,
    /// Access token for private and gated repositories; sent to the endpoint only.
    pub token: Option<Token>,
    /// Use nothing but the cache.
    pub offline: bool,
    /// How often a request is repeated that failed for a passing reason.
    pub retries: u32,
    /// The pause before the first repetition; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, also when the server asks for a longer one.
    pub longest_pause: Duration,
    /// When to give a silent server up.
    pub timeouts: Timeouts,
}

/// Limits on silence. There is none on the whole of a download, which may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the name look-up, and again for the connection with its TLS handshake.
    pub connect: Duration,
    /// From the request to the end of the headers of its answer.
    pub response: Duration,
    /// From one piece of a file to the next.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            stall: Duration::from_secs(30),
        }
    }
}

impl HubConfig {
    /// The public hub without a token, and this folder as cache. Reads no environment variables.
    pub fn new(cache: PathBuf) -> Self {
        Self {
            cache,
            endpoint: PUBLIC_ENDPOINT.to_owned(),
            token: None,
            offline: false,
            retries: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(60),
            timeouts: Timeouts::default(),
        }
    }

    /// The settings of the environment, as [`HubConfig::from_lookup`] reads them.
    ///
    /// # Errors
    /// As [`HubConfig::from_lookup`]. Without `HOME`, the user's entry in the system's list of
    /// users is tried first.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_lookup(|name| match (env::var_os(name), name) {
            (None, "HOME") => env::home_dir().map(PathBuf::into_os_string),
            (value, _) => value,
        })
    }

    /// The settings that a lookup of environment variables gives, with Python's rules:
    ///
    /// - the cache: `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `$HF_HOME/hub`, where
    ///   `HF_HOME` is by default `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface`;
    /// - the token: `HF_TOKEN`, else the file `HF_TOKEN_PATH`, by default `$HF_HOME/token`; none if
    ///   `HF_HUB_DISABLE_IMPLICIT_TOKEN` is true;
    /// - `HF_ENDPOINT`, `HF_HUB_OFFLINE` and, in seconds, `HF_HUB_ETAG_TIMEOUT` for the connection
    ///   and the answer and `HF_HUB_DOWNLOAD_TIMEOUT` for the download.
    ///
    /// `1`, `true`, `yes` and `on` are true. Empty variables count as unset. In paths, a leading
    /// `~` is the home folder, `HOME` or `USERPROFILE`; other variables are not expanded.
    ///
    /// # Errors
    /// [`HubError::NoCacheFolder`] when nothing says where the cache is, and
    /// [`HubError::InvalidSetting`] for a value that cannot be used.
    ///
    /// # Example
    /// ```
    /// use std::path::Path;
    ///
    /// use ghostnetv2::hub::HubConfig;
    ///
    /// let lookup = |name: &str| (name == "HF_HOME").then(|| "/models".into());
    /// let config = HubConfig::from_lookup(lookup)?;
    /// assert_eq!(config.cache, Path::new("/models/hub"));
    /// # Ok::<(), ghostnetv2::hub::HubError>(())
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let vars = Vars { lookup };
        let home = vars.path("HF_HOME").or_else(|| {
            let cache = vars.path("XDG_CACHE_HOME").or_else(|| Some(vars.home()?.join(".cache")));
            Some(cache?.join("huggingface"))
        });
        let cache = vars
            .path("HF_HUB_CACHE")
            .or_else(|| vars.path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or(HubError::NoCacheFolder)?;

        let mut config = Self::new(cache);
        if let Some(endpoint) = vars.text("HF_ENDPOINT")? {
            config.endpoint = endpoint;
        }
        config.offline = vars.is_true("HF_HUB_OFFLINE");
        config.token = vars.token(home.as_deref())?;
        if let Some(limit) = vars.seconds("HF_HUB_ETAG_TIMEOUT")? {
            config.timeouts.connect = limit;
            config.timeouts.response = limit;
        }
        if let Some(limit) = vars.seconds("HF_HUB_DOWNLOAD_TIMEOUT")? {
            config.timeouts.stall = limit;
        }
        Ok(config)
    }
}

/// Environment variables, read with Python's rules.
struct Vars<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<OsString>> Vars<F> {
    fn get(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.get(name)?);
        match path.strip_prefix("~") {
            Ok(rest) => Some(self.home()?.join(rest)),
            Err(_) => Some(path),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, HubError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.into_string().map_err(|_| invalid(name, "it is not UTF-8"))?;
        Ok(Some(text))
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            ["1", "true", "yes", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
        })
    }

    fn seconds(&self, name: &'static str) -> Result<Option<Duration>, HubError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.trim().parse::<u32>() {
            // Python takes 0 for unset.
            Ok(0) => Ok(None),
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
            Err(_) => Err(invalid(name, "expected a whole number of seconds, such as 60")),
        }
    }

    fn token(&self, home: Option<&Path>) -> Result<Option<Token>, HubError> {
        if self.is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return Ok(None);
        }
        if let Some(text) = self.text("HF_TOKEN")?.filter(|text| !text.trim().is_empty()) {
            return text.parse().map(Some);
        }
        let Some(path) = self.path("HF_TOKEN_PATH").or_else(|| Some(home?.join("token"))) else {
            return Ok(None);
        };
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => text.parse().map(Some),
            Err(e)
                if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(e) => {
                Err(invalid("HF_TOKEN_PATH", &format!("cannot read {}: {e}", path.display())))
            }
        }
    }
}

fn invalid(name: &'static str, problem: &str) -> HubError {
    HubError::InvalidSetting { name, problem: problem.to_owned() }
}
