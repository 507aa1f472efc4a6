//! Files that shards write for `evaluate merge`, where no record of each picture is printed.

use crate::exit::{Outcome, Usage};
use crate::files;
use crate::shard::Share;
use crate::shards::{Held, ordered};
use anyhow::Result;
use heads::data::DataError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// What a shard may leave for the others.
pub trait Content: Serialize + DeserializeOwned {
    /// Its name in files.
    const KIND: &'static str;
}

/// A file as it is read, before it is known what is in it.
#[derive(Clone, Debug, Deserialize)]
pub struct Part {
    kind: String,
    outcome: Outcome,
    content: Value,
}

/// What all shards of a run left.
#[derive(Clone, Debug)]
pub struct Whole<C> {
    /// In the order of the shards.
    pub contents: Vec<C>,
    /// The worst of any shard.
    pub outcome: Outcome,
}

/// Writes the file of a shard, whole or not at all.
///
/// # Errors
/// As [`files::write`].
pub fn write<C: Content>(path: &Path, share: &Share, outcome: Outcome, content: &C) -> Result<()> {
    // By way of `Value`, in which an f32 has the digits of an f64: those read back to the same f32.
    let part =
        json!({ "kind": C::KIND, "outcome": outcome, "share": share, "content": json!(content) });
    files::write(path, part.to_string().as_bytes())
}

/// Reads the file of a shard.
///
/// # Errors
/// Anything else.
pub fn read(path: &Path, text: &str) -> Result<Held<Part>, DataError> {
    #[derive(Deserialize)]
    struct File {
        share: Share,
        #[serde(flatten)]
        part: Part,
    }
    match serde_json::from_str(text) {
        Ok(File { share, part }) => Ok(Held { path: path.into(), share, content: part }),
        Err(error) => Err(invalid(path, format!("not what a shard writes: {error}"))),
    }
}

/// The kind of what all shards left, if they are all those of one run, in their order.
///
/// # Errors
/// [`Usage`] as of [`ordered`].
pub fn kind(parts: Vec<Held<Part>>) -> Result<(String, Vec<Held<Part>>)> {
    let parts = ordered(parts)?;
    let kind = parts.first().map(|held| held.content.kind.clone()).unwrap_or_default();
    match parts.iter().find(|held| held.content.kind != kind) {
        None => Ok((kind, parts)),
        Some(other) => {
            let (path, found) = (other.path.display(), &other.content.kind);
            Err(Usage(format!("{path} holds {found}: expected {kind}, as the others")).into())
        }
    }
}

/// What each shard left.
///
/// # Errors
/// A file whose content is of another form.
pub fn contents<C: Content>(parts: Vec<Held<Part>>) -> Result<Whole<C>, DataError> {
    let failed = parts.iter().any(|held| held.content.outcome == Outcome::SomeFailed);
    let outcome = if failed { Outcome::SomeFailed } else { Outcome::Complete };
    let content = |Held { path, content: part, .. }: Held<Part>| {
        serde_json::from_value(part.content)
            .map_err(|error| invalid(&path, format!("not {} of a shard: {error}", C::KIND)))
    };
    Ok(Whole { contents: parts.into_iter().map(content).collect::<Result<_, _>>()?, outcome })
}

fn invalid(path: &Path, problem: String) -> DataError {
    DataError::Invalid { path: path.into(), problems: vec![problem] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Numbers(Vec<f32>);

    impl Content for Numbers {
        const KIND: &'static str = "numbers";
    }

    #[test]
    fn numbers_come_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.json");
        let share = Share { shard: "1/1".parse().unwrap(), pictures: 3, run: [].into() };
        let odd = (1..5000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9) & 0x7f7f_ffff));
        let numbers = Numbers(odd.collect());
        write(&file, &share, Outcome::SomeFailed, &numbers).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let (kind, parts) = kind(vec![read(&file, &text).unwrap()]).unwrap();
        let whole = contents::<Numbers>(parts).unwrap();
        assert_eq!((kind.as_str(), whole.outcome), ("numbers", Outcome::SomeFailed));
        assert_eq!(whole.contents, [numbers]);
        for text in ["", "{}", "[]", &text.replace("1/1", "2/1")] {
            assert!(read(&file, text).unwrap_err().to_string().contains("not what a shard"));
        }
        let other = read(&file, &text.replace("\"content\":[", "\"content\":[null,")).unwrap();
        assert!(contents::<Numbers>(vec![other]).is_err());
    }
}
