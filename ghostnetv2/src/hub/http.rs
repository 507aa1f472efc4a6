//! Requests to the hub: redirects one by one, so that the token stays with the hub, and every
//! refusal as its own error.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{self, HeaderMap};
use ureq::{Agent, Body, Proxy, ResponseExt, Timeout};

use super::asked::{Asked, Missing};
use super::config::{HubConfig, Timeouts};
use super::error::HubError;
use super::token::Token;
use super::url::Url;

/// As many as `curl` and browsers follow at least.
const MAX_REDIRECTS: usize = 10;

/// A time-out that is none, yet can be added to any clock without an overflow: a year.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The answer to a request; its body has not been read yet.
pub(super) type Response = http::Response<Body>;

/// How a file is described: without or with its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Get,
}

/// A connection pool with the settings of one hub.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    hub: Url,
    token: Option<Token>,
}

impl Http {
    pub fn new(config: &HubConfig, hub: &Url) -> Self {
        let Timeouts { connect, response, stall } = config.timeouts;
        let limit = |time: Duration| Some(time.min(FOREVER));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(limit(connect))
            .timeout_connect(limit(connect))
            .timeout_recv_response(limit(response))
            .timeout_per_write(limit(stall))
            .timeout_per_read(limit(stall))
            .user_agent(concat!("ghostnetv2/", env!("CARGO_PKG_VERSION")))
            // A compressed body would have another length than the file.
            .accept_encoding("identity")
            .proxy(if hub.is_loopback() { None } else { Proxy::try_from_env() })
            .build()
            .new_agent();
        Self { agent, hub: hub.clone(), token: config.token.clone() }
    }

    /// Asks for the headers that describe a file.
    ///
    /// The hub describes large files in the redirect to where they are stored, and small ones
    /// after a redirect to another of its own addresses. So redirects are followed up to an answer
    /// that describes a file, and never away from the hub.
    pub fn describe(
        &self,
        asked: &Arc<Asked>,
        url: &Url,
        method: Method,
    ) -> Result<Response, HubError> {
        self.request(asked, url, method, 0, |response, target| {
            describes_file(response.headers()) || !target.same_origin(&self.hub)
        })
    }

    /// Opens the contents of a file from this byte on; the server may not comply, so that the
    /// status is 200 (from zero), 206 (a part) or 416 (there is no such part).
    pub fn open(&self, asked: &Arc<Asked>, url: &Url, from: u64) -> Result<Response, HubError> {
        self.request(asked, url, Method::Get, from, |_, _| false)
    }

    fn request(
        &self,
        asked: &Arc<Asked>,
        url: &Url,
        method: Method,
        from: u64,
        stop: impl Fn(&Response, &Url) -> bool,
    ) -> Result<Response, HubError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(asked, &url, method, from)?;
            let Some(location) = location(&response) else {
                return self.accept(asked, &url, response, from > 0);
            };
            let target = url
                .join(location)
                .map_err(|problem| HubError::BadRedirect { asked: asked.clone(), problem })?;
            if stop(&response, &target) {
                return Ok(response);
            }
            url = target;
        }
        Err(HubError::BadRedirect { asked: asked.clone(), problem: "there are too many" })
    }

    fn exchange(
        &self,
        asked: &Arc<Asked>,
        url: &Url,
        method: Method,
        from: u64,
    ) -> Result<Response, HubError> {
        let mut request = match method {
            Method::Head => self.agent.head(url.full()),
            Method::Get => self.agent.get(url.full()),
        };
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        if let Some(token) = self.token_for(url) {
            request = request.header("Authorization", token.authorization());
        }
        request.call().map_err(|error| transport_error(asked, url.authority().to_owned(), error))
    }

    /// The token, if it may be sent there: to the hub itself, and to nobody else.
    fn token_for(&self, url: &Url) -> Option<&Token> {
        self.token.as_ref().filter(|_| url.same_origin(&self.hub))
    }

    fn accept(
        &self,
        asked: &Arc<Asked>,
        url: &Url,
        response: Response,
        ranged: bool,
    ) -> Result<Response, HubError> {
        let status = response.status().as_u16();
        let from_hub = url.same_origin(&self.hub);
        let asked = asked.clone();
        Err(match status {
            200 | 206 => return Ok(response),
            416 if ranged => return Ok(response),
            401 if from_hub => {
                HubError::AuthRequired { asked, token_sent: self.token_for(url).is_some() }
            }
            403 if from_hub => HubError::Forbidden { asked },
            404 if from_hub => HubError::NotFound { asked, what: missing(response.headers()) },
            429 => HubError::RateLimited { asked, retry_after: retry_after(response.headers()) },
            // 501 and 505 say that this will never work.
            500 | 502..=504 | 506..=599 => HubError::ServerError {
                asked,
                status,
                retry_after: retry_after(response.headers()),
            },
            _ => HubError::UnexpectedStatus { asked, host: url.authority().to_owned(), status },
        })
    }
}

/// The error of a body that stops short; `found` bytes of the file are there.
pub(super) fn body_error(
    asked: &Arc<Asked>,
    host: String,
    expected: Option<u64>,
    found: u64,
    error: io::Error,
) -> HubError {
    match ureq::Error::from(error) {
        error @ (ureq::Error::Timeout(_) | ureq::Error::Protocol(_)) => {
            transport_error(asked, host, error)
        }
        _ => HubError::Interrupted { asked: asked.clone(), expected, found },
    }
}

fn transport_error(asked: &Arc<Asked>, host: String, error: ureq::Error) -> HubError {
    let (asked, cause) = (asked.clone(), error.to_string());
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            HubError::TimedOut { asked, host, phase: "connecting" }
        }
        ureq::Error::Timeout(Timeout::RecvResponse) => {
            HubError::TimedOut { asked, host, phase: "answering" }
        }
        ureq::Error::Timeout(_) => HubError::TimedOut { asked, host, phase: "sending" },
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::TlsRequired => {
            HubError::Tls { asked, host, cause }
        }
        // The errors of a TLS handshake come out of the socket.
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => {
            HubError::Tls { asked, host, cause }
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::LargeResponseHeader(..) => {
            HubError::Malformed { asked, host, cause }
        }
        _ => HubError::Unreachable { asked, host, cause },
    }
}

/// Who gave this answer: after redirects, not the hub.
pub(super) fn host(response: &Response) -> String {
    response.get_uri().authority().map_or_else(String::new, ToString::to_string)
}

/// Where a redirect leads; `None` if the answer is no redirect.
fn location(response: &Response) -> Option<&[u8]> {
    let redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get("Location").filter(|_| redirect)?;
    Some(location.as_bytes())
}

fn describes_file(headers: &HeaderMap) -> bool {
    headers.contains_key("X-Repo-Commit") && headers.contains_key("X-Linked-Etag")
}

fn missing(headers: &HeaderMap) -> Missing {
    match headers.get("X-Error-Code").map(|code| code.as_bytes()) {
        Some(b"RepoNotFound") => Missing::Repository,
        Some(b"RevisionNotFound") => Missing::Revision,
        Some(b"EntryNotFound") => Missing::File,
        _ => Missing::Unknown,
    }
}

/// The wait in seconds that a server asks for. The other form, a date, is left to the backoff.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("Retry-After")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
