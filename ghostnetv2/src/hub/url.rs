//! URLs: the hub's endpoint, the address of a file, and where a redirect leads.

use std::fmt;

use ureq::http::Uri;

/// An absolute `http` or `https` URL without user name and fragment.
///
/// `Display` leaves the query out: a download link's query is its signature, and messages end up
/// in logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    /// Host and, if given, port; in lower case.
    authority: String,
    /// Begins with `/`; the query, if any, is part of it.
    path: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// What is wrong with it, in words that fit after "the URL ...: ".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.split('#').next().unwrap_or_default();
        let uri: Uri = text.parse().map_err(|_| "it is not a URL")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it must start with https:// or http://"),
        };
        let authority = uri.authority().ok_or("it has no host")?.as_str();
        if authority.contains('@') {
            return Err("it has a user name or password; use HF_TOKEN instead");
        }
        let authority = authority.to_ascii_lowercase();
        if host_of(&authority).is_empty() {
            return Err("it has no host");
        }
        if port_of(&authority).is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("its port is not a number from 0 to 65535");
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { secure, authority, path: format!("{slash}{path}") })
    }

    /// The address of a file: `ENDPOINT/ORG/REPO/resolve/REVISION/FILE`.
    pub fn file(&self, id: &str, revision: &str, file: &str) -> Self {
        let base = self.path.trim_end_matches('/');
        let mut path = format!("{base}/{id}/resolve/");
        push_encoded(&mut path, revision, is_unreserved);
        path.push('/');
        push_encoded(&mut path, file, |b| is_unreserved(b) || b == b'/');
        Self { path, ..self.clone() }
    }

    /// Where a `Location` header leads from here.
    ///
    /// # Errors
    /// What is wrong with it, as for [`Url::parse`].
    pub fn join(&self, location: &[u8]) -> Result<Self, &'static str> {
        let location = escape_raw_bytes(location);
        let target = if location.starts_with("//") {
            Self::parse(&format!("{}:{location}", self.scheme()))?
        } else if has_scheme(&location) {
            Self::parse(&location)?
        } else {
            let folder = self.without_query().rsplit_once('/').map_or("", |(folder, _)| folder);
            let slash = if location.starts_with('/') { "" } else { "/" };
            let folder = if slash.is_empty() { "" } else { folder };
            Self::parse(&format!(
                "{}://{}{folder}{slash}{location}",
                self.scheme(),
                self.authority
            ))?
        };
        if self.secure && !target.secure {
            return Err("it leads from https to http");
        }
        Ok(target)
    }

    /// Whether both are served by the same host, port and scheme.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure
            && host_of(&self.authority) == host_of(&other.authority)
            && self.port() == other.port()
    }

    /// Whether the host is this machine, which no proxy can reach.
    pub fn is_loopback(&self) -> bool {
        let host = host_of(&self.authority);
        host == "localhost" || host.starts_with("127.") || host == "[::1]"
    }

    /// The whole URL, its query included: what is requested.
    pub fn full(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.path)
    }

    /// The host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether there is a query.
    pub fn has_query(&self) -> bool {
        self.path.contains('?')
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    fn port(&self) -> u16 {
        let default = if self.secure { 443 } else { 80 };
        port_of(&self.authority).and_then(|port| port.parse().ok()).unwrap_or(default)
    }

    fn without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.without_query())
    }
}

/// The host of `host`, `host:port` or `[v6]:port`.
fn host_of(authority: &str) -> &str {
    match port_of(authority) {
        Some(port) => &authority[..authority.len() - port.len() - 1],
        None => authority,
    }
}

fn port_of(authority: &str) -> Option<&str> {
    let (_, port) = authority.rsplit_once(':')?;
    // The colons inside of `[::1]` begin no port.
    if port.ends_with(']') { None } else { Some(port) }
}

/// Whether a reference begins with `scheme:`, as in RFC 3986.
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// The characters that RFC 3986 never needs encoded.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `text`, percent-encoding every UTF-8 byte that `keep` does not want kept.
fn push_encoded(out: &mut String, text: &str, keep: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            push_percent(out, byte);
        }
    }
}

/// Some servers send a `Location` that is not encoded; what is encoded already stays as it is.
fn escape_raw_bytes(location: &[u8]) -> String {
    let mut out = String::with_capacity(location.len());
    for &byte in location {
        if byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            push_percent(&mut out, byte);
        }
    }
    out
}

fn push_percent(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests;
