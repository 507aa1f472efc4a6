//! Whether files are all shards of one run.

use crate::exit::Usage;
use crate::shard::Share;
use anyhow::Result;
use std::path::PathBuf;

/// What of a refusal is said.
const SHOWN: usize = 20;

/// What a shard left in a file.
#[derive(Clone, Debug)]
pub struct Held<T> {
    /// The file.
    pub path: PathBuf,
    /// Whose it is.
    pub share: Share,
    /// What is in it.
    pub content: T,
}

/// The files in the order of their shards, if each shard of one run is there once. A shard without
/// pictures may be missing.
///
/// # Errors
/// [`Usage`] with everything that is wrong: files of other runs and in what these differ, shards
/// that are there twice, shards that are not there.
pub fn ordered<T>(mut files: Vec<Held<T>>) -> Result<Vec<Held<T>>> {
    let Some(first) = files.first() else {
        return Err(Usage("no shard in these files: expected at least one".into()).into());
    };
    let mut problems: Vec<_> =
        files[1..].iter().flat_map(|held| differences(held, first)).collect();
    if problems.is_empty() {
        let (of, pictures) = (first.share.shard.of(), first.share.pictures);
        files.sort_by_key(|held| held.share.shard.number());
        let twice = files.windows(2).filter(|pair| pair[0].share.shard == pair[1].share.shard);
        problems.extend(twice.map(|pair| {
            let [a, b] = [&pair[0], &pair[1]].map(|held| held.path.display());
            format!("{a} and {b} are both shard {}", pair[0].share.shard)
        }));
        let there = |number| files.iter().any(|held| held.share.shard.number() == number);
        let missing = (1..=of.min(pictures)).filter(|&number| !there(number));
        problems.extend(missing.map(|number| format!("shard {number}/{of} is missing")));
    }
    if problems.is_empty() {
        return Ok(files);
    }
    let more = problems.len().saturating_sub(SHOWN);
    problems.truncate(SHOWN);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let problems = problems.join("\n  ");
    Err(Usage(format!("not the shards of one run:\n  {problems}{more}")).into())
}

/// In what a file is of another run than the first.
fn differences<T>(held: &Held<T>, first: &Held<T>) -> Vec<String> {
    let (path, expected) = (held.path.display(), first.path.display());
    let (own, other) = (&held.share, &first.share);
    let mut problems = Vec::new();
    let keys: std::collections::BTreeSet<_> = own.run.keys().chain(other.run.keys()).collect();
    for key in keys {
        let [own, other] = [own, other].map(|share| share.run.get(key));
        if own != other {
            let [own, other] = [own, other].map(|value| value.map_or("not given", String::as_str));
            problems.push(format!("{path}: {key} is {own}: expected {other}, as in {expected}"));
        }
    }
    if (own.shard.of(), own.pictures) != (other.shard.of(), other.pictures) {
        problems.push(format!(
            "{path} is shard {} of {} pictures: expected one of {} of {}, as {expected}",
            own.shard,
            own.pictures,
            other.shard.of(),
            other.pictures
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(path: &str, shard: &str, pictures: usize, run: &str) -> Held<()> {
        let run = [("--size".to_owned(), run.to_owned())].into();
        let share = Share { shard: shard.parse().unwrap(), pictures, run };
        Held { path: path.into(), share, content: () }
    }

    fn refused(files: Vec<Held<()>>) -> String {
        ordered(files).unwrap_err().downcast::<Usage>().unwrap().0
    }

    #[test]
    fn all_shards_once_in_any_order() {
        let files = ["3/3", "1/3", "2/3"].map(|shard| held(shard, shard, 9, "64"));
        let files = ordered(files.into()).unwrap();
        let paths: Vec<_> = files.iter().map(|held| held.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["1/3", "2/3", "3/3"]);
        // Where there are fewer pictures than shards, some have nothing to say.
        ordered(vec![held("a", "1/3", 1, "64")]).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_of_each_file() {
        let text = refused(vec![held("a", "2/3", 9, "64"), held("b", "2/3", 9, "64")]);
        for part in ["a and b are both shard 2/3", "shard 1/3 is missing", "shard 3/3 is missing"] {
            assert!(text.contains(part), "{text}");
        }
        let text = refused(vec![held("a", "1/2", 9, "64"), held("b", "2/2", 9, "96")]);
        assert!(text.contains("b: --size is 96: expected 64, as in a"), "{text}");
        let text = refused(vec![held("a", "1/2", 9, "64"), held("b", "2/4", 9, "64")]);
        assert!(text.contains("b is shard 2/4 of 9 pictures: expected one of 2 of 9"), "{text}");
        assert!(refused(Vec::new()).contains("no shard"));
        let text = refused(vec![held("a", "1/60000", 60_000, "64")]);
        assert!(text.lines().count() < 30 && text.contains("and 59979 more"), "{text}");
    }
}
