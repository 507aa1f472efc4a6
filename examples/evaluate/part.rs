//! `--shard` and `--partial`: what is counted is left for `evaluate merge` instead of printed.

use crate::Cli;
use anyhow::Result;
use clap::Args;
use cli::exit::Outcome;
use cli::files;
use cli::part::{self, Content};
use cli::shard::{Shard, Share};
use std::path::PathBuf;

#[derive(Args, Clone, Debug)]
pub(crate) struct PartArgs {
    /// Only every N-th picture from the I-th on, I from 1 to N: with the same arguments else, N runs,
    /// on as many machines, count all
    #[arg(long, value_name = "I/N", requires = "partial")]
    shard: Option<Shard>,
    /// Where a shard writes what it has counted; `evaluate merge` prints the score of all shards
    #[arg(long, value_name = "FILE", requires = "shard")]
    partial: Option<PathBuf>,
}

impl PartArgs {
    /// The share of `pictures` that is to be counted, if it is not all.
    ///
    /// # Errors
    /// No folder for what is to be written; those of `weights`.
    pub(crate) fn share(
        &self,
        pictures: &[PathBuf],
        weights: impl FnOnce() -> Result<String>,
    ) -> Result<Option<Share>> {
        self.partial.as_deref().map(files::folder_of).transpose()?;
        Share::of_run::<Cli>(self.shard, pictures, weights)
    }

    /// Writes what was counted of a share, or prints what was counted of all.
    ///
    /// # Errors
    /// A file that can't be written, or those of `print`.
    pub(crate) fn close<C: Content>(
        &self,
        counted: &C,
        share: Option<&Share>,
        outcome: Outcome,
        print: impl FnOnce(&C) -> Result<()>,
    ) -> Result<Outcome> {
        match (share, &self.partial) {
            (Some(share), Some(file)) => part::write(file, share, outcome, counted)?,
            _ => print(counted)?,
        }
        Ok(outcome)
    }
}
