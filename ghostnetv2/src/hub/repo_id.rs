//! `org/repo[@revision]`: which repository, and which of its revisions.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;
use super::names::{check_relative, is_hex};

/// The branch that the hub serves when no revision is named.
const DEFAULT_REVISION: &str = "main";

/// The hub's own limit for the name of an organisation or of a repository.
const LONGEST_PART: usize = 96;

/// A model repository of the hub, at one revision.
///
/// # Example
/// ```
/// use ghostnetv2::hub::RepoId;
///
/// let repo = RepoId::parse("timm/ghostnetv2_100.in1k")?;
/// assert_eq!((repo.id(), repo.revision()), ("timm/ghostnetv2_100.in1k", "main"));
///
/// let repo = RepoId::parse("timm/ghostnetv2_100.in1k@refs/pr/1")?;
/// assert_eq!(repo.revision(), "refs/pr/1");
/// assert!(!repo.is_pinned());
/// # Ok::<(), ghostnetv2::hub::HubError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoId {
    id: String,
    revision: String,
}

impl RepoId {
    /// Reads `org/repo` or `org/repo@revision`.
    ///
    /// # Errors
    /// [`HubError::InvalidName`] when it is neither, or when a part could not be a name on the hub
    /// or would leave the cache folder.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, revision),
            None => (text, DEFAULT_REVISION),
        };
        check_id(id)?;
        check_relative("revision", revision)?;
        Ok(Self { id: id.to_owned(), revision: revision.to_owned() })
    }

    /// `org/repo`, without the revision.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The revision: a branch, a tag, a pull request (`refs/pr/1`) or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the revision is a full commit (40 hexadecimal digits), which can never change.
    pub fn is_pinned(&self) -> bool {
        is_hex(&self.revision, 40)
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.revision)
    }
}

impl FromStr for RepoId {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        Self::parse(text)
    }
}

/// The hub's naming rule. It forbids `--`, which separates the parts of a folder's name in the
/// cache: without the rule `a--b/c` and `a/b--c` would share a folder.
fn check_id(id: &str) -> Result<(), HubError> {
    let invalid =
        |problem| Err(HubError::InvalidName { what: "repository", given: id.to_owned(), problem });
    let Some((org, repo)) = id.split_once('/') else {
        return invalid("it must be ORGANISATION/REPOSITORY");
    };
    for part in [org, repo] {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !(1..=LONGEST_PART).contains(&part.len()) || !part.bytes().all(allowed) {
            return invalid("each part is 1 to 96 letters, digits, '-', '_' or '.'");
        }
        if part.contains("--") || part.contains("..") {
            return invalid("'--' and '..' are not allowed");
        }
        if part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
            return invalid("a part may not begin or end with '-' or '.'");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_commit_is_pinned() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let repo: RepoId = format!("org/repo@{commit}").parse().expect("a valid name");
        assert!(repo.is_pinned());
        assert_eq!(repo.to_string(), format!("org/repo@{commit}"));
        assert!(!RepoId::parse("org/repo@0123456").expect("a valid name").is_pinned());
    }

    #[test]
    fn hostile_and_malformed_names_are_refused() {
        for text in [
            "",
            "repo",
            "/repo",
            "org/",
            "org/a/b",
            "../repo",
            "org/..",
            "org/.",
            "a--b/c",
            "o rg/r",
            "org/re\\po",
            "org/repo@",
            "org/repo@../x",
            "org/repo@/x",
            "org/repo@a b\n",
            "órg/repo",
            "org/repo@a\\b",
            "org/repo@C:x",
        ] {
            let error = RepoId::parse(text);
            assert!(matches!(error, Err(HubError::InvalidName { .. })), "{text:?}");
        }
        assert!(RepoId::parse(&format!("org/{}", "r".repeat(97))).is_err());
    }
}
