//! `evaluate merge`: of what shards wrote, what one run would have written.

use crate::coco::FoundForScores;
use crate::imagenet::Accuracy;
use crate::pixels::CountedPixels;
use anyhow::Result;
use clap::Args;
use cli::coco_results::FoundBoxes;
use cli::exit::{Outcome, Output, Usage};
use cli::part::{self, Content, contents};
use cli::records::Records;
use cli::shard::interleaved;
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// The files of all shards, in any order: those of `evaluate --partial` or of `detect
    /// --save-coco`, or what `classify`, `detect` or `segment` printed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// For `evaluate coco`: its annotations, if they lie elsewhere now
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
}

pub(crate) fn run(args: &MergeArgs) -> Result<Outcome> {
    let read = |path: &PathBuf| match fs::read_to_string(path) {
        Ok(text) => Ok((path.clone(), text)),
        Err(error) => Err(Usage(format!("can't read {}: {error}", path.display()))),
    };
    let files = args.files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // Only records can be an empty file: that of a shard without pictures.
    if files.iter().any(|(_, text)| !text.is_empty() && Records::are_in(text)) {
        records(&files)
    } else {
        parts(args, &files)
    }
}

fn records(files: &[(PathBuf, String)]) -> Result<Outcome> {
    let read = |(path, text): &(PathBuf, String)| Records::read(path, text);
    let shards = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let merged = Records::merged(shards.into_iter().flatten().collect())?;
    stdout().write_all(merged.text().as_bytes()).map_err(Output)?;
    if merged.failed == 0 {
        return Ok(Outcome::Complete);
    }
    eprintln!("{} of {} pictures could not be read", merged.failed, merged.len());
    Ok(Outcome::SomeFailed)
}

fn parts(args: &MergeArgs, files: &[(PathBuf, String)]) -> Result<Outcome> {
    let read = |(path, text): &(PathBuf, String)| part::read(path, text);
    let (kind, parts) = part::kind(files.iter().map(read).collect::<Result<_, _>>()?)?;
    let annotations = args.annotations.as_deref();
    if kind == Accuracy::KIND {
        let whole = contents(parts)?;
        Accuracy::sum(&whole.contents)?.print()?;
        return Ok(whole.outcome);
    }
    if kind == CountedPixels::KIND {
        let whole = contents(parts)?;
        CountedPixels::sum(whole.contents)?.print()?;
        return Ok(whole.outcome);
    }
    if kind == FoundForScores::KIND {
        let whole = contents(parts)?;
        FoundForScores::interleaved(whole.contents)?.print(annotations)?;
        return Ok(whole.outcome);
    }
    if kind == FoundBoxes::KIND {
        let whole = contents(parts)?;
        let found = whole.contents.into_iter().map(|FoundBoxes(found)| found).collect();
        let text = FoundBoxes(interleaved(found)).text();
        stdout().write_all(text.as_bytes()).map_err(Output)?;
        return Ok(whole.outcome);
    }
    Err(Usage(format!("{kind} of shards: this program does not know how to merge that")).into())
}
