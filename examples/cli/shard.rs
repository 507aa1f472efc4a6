//! `--shard`: one of several runs that share the pictures, and what tells which run that is.

use crate::exit::Usage;
use crate::fingerprint::Fingerprint;
use crate::output::Format;
use anyhow::Result;
use clap::{Args, Command, CommandFactory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Arguments that say how and where to work, or name pictures, which are looked at themselves. All
/// others must be the same for all shards.
const HOW: [&str; 13] = [
    "pictures",
    "image",
    "shard",
    "partial",
    "out",
    "save_coco",
    "save_calibration",
    "font",
    "threads",
    "offline",
    "timing",
    "quiet",
    "help",
];

/// `--shard` of programs that print a record for each picture.
#[derive(Args, Clone, Copy, Debug)]
pub struct ShardArgs {
    /// Only every N-th picture from the I-th on, I from 1 to N: with the same arguments else, N runs,
    /// on as many machines, do all. `evaluate merge` makes of what they wrote what one run would
    /// have written. Expects --format jsonl or json
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

impl ShardArgs {
    /// Refuses shards whose results can't be merged: text has no place for what tells where they
    /// belong, and a table has no row for pictures without findings.
    ///
    /// # Errors
    /// [`Usage`].
    pub fn check(&self, format: Format) -> Result<()> {
        if self.shard.is_none() || matches!(format, Format::Json | Format::Jsonl) {
            return Ok(());
        }
        let text = "--shard: text and tables can't be merged: add --format jsonl or json";
        Err(Usage(text.into()).into())
    }
}

/// Number I of N shards: the I-th item and every N-th after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u16,
    of: u16,
}

/// A text that names no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Something else than two numbers.
    #[error("{0:?} is no shard: expected I/N, such as 2/4, with N from 1 to {max}", max = u16::MAX)]
    Form(String),
    /// There is no such shard.
    #[error("there is no shard {number} of {of}: expected one from 1 to {of}")]
    Number {
        /// What was asked for.
        number: u16,
        /// How many there are.
        of: u16,
    },
}

impl Shard {
    /// Counted from 1.
    pub fn number(self) -> usize {
        self.number.into()
    }

    /// How many shards there are.
    pub fn of(self) -> usize {
        self.of.into()
    }

    /// What is this shard's of all items, in their order.
    pub fn take<T>(self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        items.into_iter().skip(self.number() - 1).step_by(self.of()).collect()
    }

    /// The place of its `i`-th item among all, from 0 on.
    pub fn place(self, i: usize) -> usize {
        i * self.of() + self.number() - 1
    }
}

/// All items in their order, of what each shard took.
pub fn interleaved<T>(shards: Vec<Vec<T>>) -> Vec<T> {
    let mut shards: Vec<_> = shards.into_iter().map(Vec::into_iter).collect();
    let mut items = Vec::new();
    loop {
        let before = items.len();
        items.extend(shards.iter_mut().filter_map(Iterator::next));
        if items.len() == before {
            return items;
        }
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            Some((number.parse().ok()?, of.parse().ok().filter(|&of: &u16| of > 0)?))
        });
        match numbers {
            None => Err(ShardError::Form(text.into())),
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            Some((number, of)) => Err(ShardError::Number { number, of }),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A shard's share of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which pictures are its.
    pub shard: Shard,
    /// Pictures of all shards.
    pub pictures: usize,
    /// What is the same for all shards: arguments, pictures, weights, and whatever else a program
    /// adds.
    pub run: BTreeMap<String, String>,
}

impl Share {
    /// Of a run of the program `P` on `pictures`, as this process was started, where a shard of it
    /// is asked for; `weights` tells which they are.
    ///
    /// # Errors
    /// Those of `weights`.
    pub fn of_run<P: CommandFactory>(
        shard: Option<Shard>,
        pictures: &[PathBuf],
        weights: impl FnOnce() -> Result<String>,
    ) -> Result<Option<Self>> {
        let Some(shard) = shard else { return Ok(None) };
        let mut run = told(P::command(), std::env::args_os());
        let mut paths = Fingerprint::default();
        pictures.iter().for_each(|path| paths.add(path.as_os_str().as_encoded_bytes()));
        let pictures = pictures.len();
        run.insert("pictures".into(), format!("{pictures} ({})", paths.text()));
        run.insert("weights".into(), weights()?);
        Ok(Some(Self { shard, pictures, run }))
    }

    /// How many pictures are this shard's.
    pub fn own(&self) -> usize {
        self.shard.take(0..self.pictures).len()
    }

    /// The run in one short word.
    pub fn word(&self) -> String {
        let mut word = Fingerprint::default();
        for (key, value) in &self.run {
            word.add(key.as_bytes());
            word.add(value.as_bytes());
        }
        word.text()
    }
}

/// What of all items is to be done: a share, or everything.
pub fn share_of<T>(share: Option<&Share>, items: Vec<T>) -> Vec<T> {
    match share {
        Some(share) => share.shard.take(items),
        None => items,
    }
}

/// Program, version, and the values of all arguments that may change a result, given or by
/// default.
fn told(
    mut program: Command,
    words: impl IntoIterator<Item = OsString>,
) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let mut name = program.get_name().to_owned();
    // It has been parsed before, so that it can't fail here.
    if let Ok(matches) = program.try_get_matches_from_mut(words) {
        let (mut command, mut matches) = (&program, &matches);
        loop {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let values = matches.try_get_raw(id).ok().flatten();
                let Some(values) = values.filter(|_| !HOW.contains(&id)) else { continue };
                let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
                told.insert(format!("--{}", id.replace('_', "-")), values.join(" "));
            }
            let Some((next, below)) = matches.subcommand() else { break };
            let Some(subcommand) = command.find_subcommand(next) else { break };
            name = format!("{name} {next}");
            (command, matches) = (subcommand, below);
        }
    }
    told.insert("program".into(), format!("{name} {}", env!("CARGO_PKG_VERSION")));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn shards_are_disjoint_and_all_together() {
        for of in 1..=7 {
            for items in [0, 1, 5, 7, 20] {
                let shard = |number| format!("{number}/{of}").parse::<Shard>().unwrap();
                let taken = (1..=of).map(|number| shard(number).take(0..items)).collect::<Vec<_>>();
                for (number, taken) in (1..).zip(&taken) {
                    let places = (0..taken.len()).map(|i| shard(number).place(i));
                    assert_eq!(&places.collect::<Vec<_>>(), taken);
                }
                assert_eq!(interleaved(taken), (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_is_no_shard() {
        let error = |text: &str| text.parse::<Shard>().unwrap_err();
        assert_eq!(error("0/3"), ShardError::Number { number: 0, of: 3 });
        assert_eq!(error("4/3"), ShardError::Number { number: 4, of: 3 });
        for text in ["x", "", "1", "1/", "/2", "1/0", "1/2/3", "-1/2", "1/70000", "1.0/2"] {
            assert_eq!(error(text), ShardError::Form(text.into()));
        }
    }

    #[derive(Parser)]
    #[command(name = "see")]
    #[allow(dead_code)] // only its arguments are looked at
    struct See {
        pictures: Vec<PathBuf>,
        #[arg(long, default_value_t = 8)]
        top_k: u16,
        #[arg(long)]
        threads: Option<u16>,
        #[command(flatten)]
        shard: ShardArgs,
    }

    #[test]
    fn arguments_that_change_results_are_told() {
        let told = |words: &[&str]| {
            let words = ["see"].iter().chain(words).map(OsString::from);
            told(See::command(), words)
        };
        let plain = told(&["--threads", "2", "--shard", "1/2"]);
        assert_eq!(plain, told(&["--shard", "2/2"]));
        assert_eq!(plain.get("--top-k").map(String::as_str), Some("8"));
        assert_ne!(plain, told(&["--top-k", "3"]));
        assert!(plain["program"].starts_with("see "));
    }
}
