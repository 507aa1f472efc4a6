//! What makes a file the right one: its size and its checksums.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::names::is_hex;

/// What the caller knows about a file beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// SHA-256 in 64 hexadecimal digits.
    pub sha256: Cow<'static, str>,
    /// Size in bytes, where known.
    pub size: Option<u64>,
}

impl Pinned {
    /// Pins a file by its SHA-256, in 64 hexadecimal digits, and its size in bytes, where known.
    pub const fn new(sha256: &'static str, size: Option<u64>) -> Self {
        Self { sha256: Cow::Borrowed(sha256), size }
    }
}

/// The difference between the file that was expected and the file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Another size, in bytes.
    Size {
        /// The right one.
        expected: u64,
        /// The one found; where a body was cut off for being too long, what had arrived by then.
        found: u64,
    },
    /// Other contents.
    Checksum {
        /// `SHA-256` or `git SHA-1`.
        algorithm: &'static str,
        /// The right one, in hexadecimal digits.
        expected: String,
        /// The one found.
        found: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { expected, found } => {
                write!(f, "expected {expected} bytes, found {found}")
            }
            Self::Checksum { algorithm, expected, found } => {
                write!(f, "expected {algorithm} {expected}, found {found}")
            }
        }
    }
}

/// The checks that one file has to pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checks {
    pub size: Option<u64>,
    sha256: Option<String>,
    sha1: Option<String>,
}

impl Checks {
    /// The checks that follow from the ETag, which on the hub is the SHA-256 of a large file and
    /// git's SHA-1 of a small one; from the size, where known; and from the caller's pin.
    pub fn new(etag: &str, size: Option<u64>, pinned: Option<&Pinned>) -> Self {
        let sha256 = pinned.map(|pinned| pinned.sha256.to_ascii_lowercase());
        Self {
            size: size.or(pinned.and_then(|pinned| pinned.size)),
            sha256: sha256.or_else(|| is_hex(etag, 64).then(|| etag.to_owned())),
            sha1: is_hex(etag, 40).then(|| etag.to_owned()),
        }
    }

    /// Whether a file that is cut short would be noticed.
    pub fn notice_truncation(&self) -> bool {
        self.size.is_some() || self.sha256.is_some() || self.sha1.is_some()
    }

    /// Compares what the hub says with what the caller has pinned, before anything is downloaded.
    pub fn contradiction(etag: &str, size: Option<u64>, pinned: &Pinned) -> Option<Fault> {
        if let (Some(expected), Some(found)) = (pinned.size, size)
            && expected != found
        {
            return Some(Fault::Size { expected, found });
        }
        if is_hex(etag, 64) { differs("SHA-256", &pinned.sha256, etag.to_owned()) } else { None }
    }

    /// Reads the file and tells what is wrong with it.
    ///
    /// The file is read back from the disk, not hashed on its way to it: this also covers the part
    /// that an earlier process has left, and what the file system made of it.
    pub fn fault(&self, path: &Path) -> io::Result<Option<Fault>> {
        let mut file = File::open(path)?;
        let found = file.metadata()?.len();
        if let Some(expected) = self.size.filter(|&size| size != found) {
            return Ok(Some(Fault::Size { expected, found }));
        }
        if let Some(expected) = &self.sha256 {
            let mut sha256 = Sha256::new();
            read_chunks(&mut file, |chunk| sha256.update(chunk))?;
            return Ok(differs("SHA-256", expected, hex(&sha256.finalize())));
        }
        if let Some(expected) = &self.sha1 {
            let (mut git, mut plain) = (Sha1::new(), Sha1::new());
            git.update(format!("blob {found}\0"));
            read_chunks(&mut file, |chunk| {
                git.update(chunk);
                plain.update(chunk);
            })?;
            // A mirror that stores files, not git objects, may use the SHA-1 of the file.
            if *expected != hex(&plain.finalize()) {
                return Ok(differs("git SHA-1", expected, hex(&git.finalize())));
            }
        }
        Ok(None)
    }
}

fn differs(algorithm: &'static str, expected: &str, found: String) -> Option<Fault> {
    let expected = expected.to_ascii_lowercase();
    (expected != found).then_some(Fault::Checksum { algorithm, expected, found })
}

fn read_chunks(file: &mut File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => each(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "abc": SHA-256 and SHA-1 as in FIPS 180, the git SHA-1 as `git hash-object` gives it.
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const GIT: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";

    fn fault_of(contents: &[u8], checks: &Checks) -> Option<Fault> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), contents).expect("room for a temporary file");
        checks.fault(file.path()).expect("a readable file")
    }

    #[test]
    fn etags_of_the_hub_are_checksums() {
        for etag in [SHA256, SHA1, GIT] {
            let checks = Checks::new(etag, Some(3), None);
            assert_eq!(fault_of(b"abc", &checks), None, "{etag}");
            assert!(matches!(fault_of(b"abd", &checks), Some(Fault::Checksum { .. })), "{etag}");
            let fault = Fault::Size { expected: 3, found: 4 };
            assert_eq!(fault_of(b"abcd", &checks), Some(fault), "{etag}");
        }
        assert!(!Checks::new("W-1", None, None).notice_truncation());
    }

    #[test]
    fn pins_are_checked_too() {
        let pinned = Pinned::new(SHA256, Some(3));
        let checks = Checks::new("opaque", None, Some(&pinned));
        assert_eq!(fault_of(b"abc", &checks), None);
        assert!(fault_of(b"abd", &checks).is_some());
        assert_eq!(Checks::contradiction(SHA256, Some(3), &pinned), None);
        assert!(Checks::contradiction(SHA256, Some(4), &pinned).is_some());
        assert!(Checks::contradiction(&"0".repeat(64), Some(3), &pinned).is_some());
        assert_eq!(Checks::contradiction(GIT, None, &pinned), None);
    }
}
