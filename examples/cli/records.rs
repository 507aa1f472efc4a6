//! Records of shards: printed with what tells where they belong, and merged again.

use crate::shard::{Shard, Share, interleaved};
use crate::shards::{Held, ordered};
use anyhow::Result;
use heads::data::DataError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// What every record of a shard begins with.
const START: &str = "{\"shard\":";

/// By what name refusals call the word for a run.
const RUN: &str = "the run (its arguments, pictures and weights)";

/// Where a record belongs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tag {
    number: Shard,
    /// Among those of all shards, from 1 on.
    picture: usize,
    /// Of all shards.
    pictures: usize,
    /// As [`Share::word`] says.
    run: String,
}

/// What tells where the records of a shard belong.
#[derive(Clone, Debug)]
pub struct Tags {
    shard: Shard,
    pictures: usize,
    run: String,
}

impl Tags {
    /// For the records of a share.
    pub fn new(share: &Share) -> Self {
        Self { shard: share.shard, pictures: share.pictures, run: share.word() }
    }

    /// The text of a JSON object that is not empty, the shard's `i`-th from 0 on, with its tag.
    /// What stands behind that is as it was, to the byte.
    pub fn tagged(&self, i: usize, object: &str) -> String {
        let (number, picture) = (self.shard, self.shard.place(i) + 1);
        let tag = Tag { number, picture, pictures: self.pictures, run: self.run.clone() };
        // Neither numbers nor plain words can fail to be JSON.
        let tag = serde_json::to_string(&tag).unwrap_or_default();
        format!("{START}{tag},{}", object.strip_prefix('{').unwrap_or(object))
    }
}

/// Takes the tag off a record.
fn untagged(line: &str) -> Option<(Tag, String)> {
    let rest = line.strip_prefix(START)?;
    let mut tags = serde_json::Deserializer::from_str(rest).into_iter::<Tag>();
    let tag = tags.next()?.ok()?;
    Some((tag, format!("{{{}", rest[tags.byte_offset()..].strip_prefix(',')?)))
}

/// The records of a shard, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// Whether they stand in one list, or on a line each.
    list: bool,
    /// JSON objects.
    objects: Vec<String>,
    /// How many of them say that a picture could not be read.
    pub failed: usize,
}

impl Records {
    /// Whether a file looks like records; it may have none.
    pub fn are_in(text: &str) -> bool {
        text.is_empty() || text.starts_with(START) || text.starts_with('[')
    }

    /// Those of a shard; `None` where it had no pictures.
    ///
    /// # Errors
    /// Everything that is none, or not in its place: a run that did not end has fewer than its
    /// share.
    pub fn read(path: &Path, text: &str) -> Result<Option<Held<Self>>, DataError> {
        let mut found = Self { list: text.starts_with('['), objects: Vec::new(), failed: 0 };
        let mut share: Option<Share> = None;
        let mut problems = Vec::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !frame(line)) {
            let mut problem = |text: String| problems.push(format!("line {number}: {text}"));
            let Some((tag, object)) = untagged(line.trim_end_matches(',')) else {
                problem("expected a record of a shard".into());
                continue;
            };
            let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&object) else {
                problem("a record that ends early".into());
                continue;
            };
            let run = [(RUN.to_owned(), tag.run)].into();
            let own = Share { shard: tag.number, pictures: tag.pictures, run };
            let first = share.get_or_insert_with(|| own.clone());
            let expected = own.shard.place(found.objects.len()) + 1;
            if *first != own {
                problem(format!("a record of another shard or run than shard {}", first.shard));
            } else if tag.picture != expected {
                problem(format!("picture {}: expected picture {expected}", tag.picture));
            }
            found.failed += usize::from(fields.contains_key("error"));
            found.objects.push(object);
        }
        if let Some(share) = &share {
            let (records, own) = (found.objects.len(), share.own());
            if records != own && problems.is_empty() {
                problems.push(format!(
                    "shard {} has {records} records: expected {own}; its run did not end",
                    share.shard
                ));
            }
        }
        match problems.is_empty() {
            true => Ok(share.map(|share| Held { path: path.into(), share, content: found })),
            false => Err(DataError::Invalid { path: path.into(), problems }),
        }
    }

    /// Those of a whole run, of those of its shards.
    ///
    /// # Errors
    /// As [`ordered`].
    pub fn merged(shards: Vec<Held<Self>>) -> Result<Self> {
        let shards = ordered(shards)?;
        let list = shards.iter().any(|held| held.content.list);
        let failed = shards.iter().map(|held| held.content.failed).sum();
        let objects = shards.into_iter().map(|held| held.content.objects).collect();
        Ok(Self { list, objects: interleaved(objects), failed })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// As the program prints them.
    pub fn text(&self) -> String {
        match self.list {
            true => format!("[\n{}\n]\n", self.objects.join(",\n")),
            false => self.objects.iter().map(|object| format!("{object}\n")).collect(),
        }
    }
}

/// A line that holds a list together.
fn frame(line: &str) -> bool {
    matches!(line, "[" | "]" | "[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"path":"a, \"b\".jpg","score":0.10000000149011612}"#;

    fn shard(shard: &str, records: usize) -> String {
        let run = [("weights".to_owned(), "1".to_owned())].into();
        let tags = Tags::new(&Share { shard: shard.parse().unwrap(), pictures: 5, run });
        (0..records).map(|i| format!("{}\n", tags.tagged(i, OBJECT))).collect()
    }

    fn read(text: &str) -> Result<Option<Held<Records>>, DataError> {
        Records::read("a.jsonl".as_ref(), text)
    }

    #[test]
    fn tags_come_off_again() {
        let files = [("2/2", 2), ("1/2", 3)].map(|(number, n)| read(&shard(number, n)));
        let files = files.map(|file| file.unwrap().unwrap());
        let merged = Records::merged(files.into()).unwrap();
        assert_eq!((merged.text(), merged.failed), (format!("{OBJECT}\n").repeat(5), 0));
        let line = shard("1/2", 1);
        assert!(serde_json::from_str::<Value>(&line).unwrap()["score"].is_f64(), "{line}");
        assert!(read("").unwrap().is_none() && read("[]\n").unwrap().is_none());
    }

    #[test]
    fn runs_that_did_not_end() {
        let whole = shard("1/2", 3);
        let refused = |text: &str| read(text).unwrap_err().to_string();
        assert!(refused(&shard("1/2", 2)).contains("has 2 records: expected 3"));
        assert!(refused(&whole[..whole.len() - 9]).contains("line 3: a record that ends early"));
        let second = &whole[whole.find('\n').unwrap() + 1..];
        assert!(refused(second).contains("line 1: picture 3: expected picture 1"));
        assert!(refused(&(whole.clone() + &shard("2/2", 2))).contains("another shard or run"));
        assert!(refused("{\"shard\":\"1/2\"}\n").contains("line 1: expected a record of a shard"));
        assert!(refused("[\n{}\n]\n").contains("line 2"));
    }
}
