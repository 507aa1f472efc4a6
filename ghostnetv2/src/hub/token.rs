//! The access token: sent to the hub, shown to nobody.

use std::fmt;
use std::str::FromStr;

use super::error::HubError;

/// An access token of the hub. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl FromStr for Token {
    type Err = HubError;

    /// Reads a token; white space around it is dropped.
    fn from_str(text: &str) -> Result<Self, HubError> {
        let text = text.trim();
        // Anything else cannot be in a header, and a line break would begin a new one.
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let problem = "a token is one word of ASCII letters, digits and signs; get one at \
                           https://huggingface.co/settings/tokens";
            return Err(HubError::InvalidSetting { name: "HF_TOKEN", problem: problem.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_never_shown() {
        let token: Token = " hf_secret\r\n".parse().expect("a valid token");
        assert_eq!(token.authorization(), "Bearer hf_secret");
        assert_eq!(format!("{token:?}"), "Token(***)");
        for text in ["", " ", "hf_a hf_b", "hf_a\r\nHost: x", "hf_ü"] {
            let error = text.parse::<Token>().expect_err("no token").to_string();
            assert!(text.trim().is_empty() || !error.contains(text), "{error}");
        }
    }
}
