//! Which names may become part of a path in the cache: names that a user types and names that a
//! server sends.

use super::error::HubError;

/// Longest name taken from a server: ETags of the hub are at most 64 characters, and file systems
/// allow 255.
const LONGEST_SERVER_NAME: usize = 128;

/// Checks a relative path such as a file name in a repository or a git revision.
///
/// # Errors
/// [`HubError::InvalidName`] when joining it to a folder could leave that folder, on any system.
pub(super) fn check_relative(what: &'static str, given: &str) -> Result<(), HubError> {
    let problem = if given.is_empty() {
        Some("it is empty")
    } else if given.chars().any(char::is_control) {
        Some("it has control characters")
    } else if given.contains('\\') {
        Some("it has a backslash; folders are separated by '/'")
    } else if given.contains(':') {
        Some("it has a colon, which names a drive or a stream on Windows")
    } else if given.starts_with('/') {
        Some("it is absolute; give it relative to the repository")
    } else if given.split('/').any(str::is_empty) {
        Some("it has an empty component")
    } else if given.split('/').any(is_dots) {
        Some("it has a component of dots, which can point outside the repository")
    } else {
        None
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(HubError::InvalidName { what, given: given.to_owned(), problem }),
    }
}

/// Windows drops dots and spaces at the end of a component, so that `.. ` is `..` there.
fn is_dots(component: &str) -> bool {
    component.trim_end_matches(['.', ' ']).is_empty()
}

/// Whether a name that a server sent (an ETag, a commit) can be the name of a file.
///
/// Dots are refused too: a blob named `x.incomplete` would be the unfinished part of blob `x`.
pub(super) fn is_safe(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'=');
    (1..=LONGEST_SERVER_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether `text` is exactly `len` lower-case hexadecimal digits: a git commit has 40, a SHA-256
/// 64.
pub(super) fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in ["model.safetensors", "onnx/model.onnx", ".gitattributes", "a b/ü.json", "..a"]
        {
            assert!(check_relative("file name", name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../x",
            "a/..",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "\\x",
            "a\\..\\b",
            "C:/x",
            "C:x",
            "a:stream",
            "a\0b",
            "a\nb",
            ".. ",
            "a/.. /b",
            "...",
            " ",
        ] {
            let error = check_relative("file name", name);
            assert!(matches!(error, Err(HubError::InvalidName { .. })), "{name:?}");
        }
    }

    #[test]
    fn server_names() {
        assert!(is_safe("d41d8cd98f00b204e9800998ecf8427e-5"));
        for name in ["", ".", "..", "../x", "a/b", "a\\b", "a.incomplete", "a b", "ü", "a\0"] {
            assert!(!is_safe(name), "{name:?}");
        }
        assert!(!is_safe(&"a".repeat(LONGEST_SERVER_NAME + 1)));
    }

    #[test]
    fn hexadecimal() {
        assert!(is_hex("0123456789abcdef", 16));
        assert!(!is_hex("0123456789ABCDEF", 16));
        assert!(!is_hex("0123456789abcdef", 40));
    }
}
