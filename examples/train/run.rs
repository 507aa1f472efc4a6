//! What all tasks have in common: where a run goes, what computes, and the loop.

use crate::bar::Bar;
use crate::job::Job;
use anyhow::Result;
use candle::{DType, Device};
use candle_nn::VarBuilder;
use clap::Args;
use cli::device::DeviceArgs;
use cli::exit::{Outcome, Output, Usage};
use cli::threads;
use ghostnetv2::training::Ranks;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use train::data::Room;
use train::{Network, Options, Recipe, Task, Variables};

/// Where a run goes and what computes.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// The folder for checkpoints, metrics and the best model
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Go on from the last checkpoint in --out; without one, begin
    #[arg(long)]
    resume: bool,
    /// Also write a checkpoint every N steps, not only after every epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    save_steps: Option<u64>,
    /// Write a line of metrics.jsonl every N steps
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    print_freq: u64,
    /// Threads that decode and augment
    #[arg(long, short = 'j', value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Memory in which decoded pictures are kept, such as 500m or 2g; 0 for none
    #[arg(long, value_name = "BYTES", default_value = "1g", value_parser = bytes)]
    cache: u64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Keep maps between layers in bfloat16, on a GPU: weights, statistics and losses stay in f32
    #[arg(long)]
    amp: bool,
    /// Threads that compute on a CPU [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Only the result and errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Who else runs the same training.
    #[arg(skip)]
    ranks: Option<Arc<dyn Ranks>>,
}

fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(number) if lower.ends_with('k') => (number, 1 << 10),
        Some(number) if lower.ends_with('m') => (number, 1 << 20),
        Some(number) => (number, 1u64 << 30),
        None => (lower.as_str(), 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "expected a number, with k, m or g behind it".into())
}

impl RunArgs {
    /// Opens the device.
    ///
    /// # Errors
    /// A device that is not there, or that `--amp` is not for.
    pub(crate) fn open(&self) -> Result<Device> {
        let device = self.device.open(|text| self.say(text))?;
        if self.amp && device.is_cpu() {
            let text = "--amp: a CPU trains in f32: leave it out, or give --device cuda";
            return Err(Usage(text.into()).into());
        }
        Ok(device)
    }

    /// The variables of a network that starts as `start` has them.
    pub(crate) fn variables(&self, start: VarBuilder<'static>) -> Variables {
        let variables = Variables::new(start);
        if self.amp { variables.activations(DType::BF16) } else { variables }
    }

    /// Joins the others of a job, of whom only the first one speaks. May start the program anew
    /// with the right number of threads: to be called before anything else.
    ///
    /// # Errors
    /// As [`Job::join`].
    pub(crate) fn join(&mut self) -> Result<Job> {
        self.threads.map_or(Ok(()), threads::ensure)?;
        let job = Job::join()?;
        self.ranks = job.ranks();
        self.quiet |= self.ranks.as_ref().is_some_and(|ranks| ranks.rank() > 0);
        Ok(job)
    }

    /// Memory for decoded pictures.
    pub(crate) fn room(&self) -> Room {
        Room::new(self.cache)
    }

    /// Something for the user that is no result.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Trains, and prints the best score.
    ///
    /// # Errors
    /// As [`train::train`].
    pub(crate) fn train<T: Task, N: Network>(
        &self,
        task: &T,
        network: &mut N,
        recipe: &Recipe,
    ) -> Result<Outcome> {
        let options = Options {
            out: self.out.clone(),
            resume: self.resume,
            save_steps: self.save_steps,
            log_steps: self.print_freq,
            workers: self.workers.into(),
            ahead: 2,
            ranks: self.ranks.clone(),
        };
        let mut bar = Bar::new(self.quiet);
        // As everywhere, the batch size is that of each process.
        let ranks = self.ranks.as_ref().map_or(1, |ranks| ranks.count());
        let recipe = Recipe { batch: recipe.batch.saturating_mul(ranks), ..recipe.clone() };
        let plan = recipe.plan(task.examples());
        let scores = train::train(task, network, &plan, &options, &mut bar)?;
        bar.clear();
        if self.ranks.as_ref().is_some_and(|ranks| ranks.rank() > 0) {
            return Ok(Outcome::Complete);
        }
        let all: Vec<String> =
            scores.all.iter().map(|(name, score)| format!("{name} {score:.4}")).collect();
        let best = train::run::best_folder(&self.out);
        let text = format!("last: {}\nbest: {}", all.join(", "), best.display());
        writeln!(stdout(), "{text}").map_err(Output)?;
        Ok(Outcome::Complete)
    }
}
