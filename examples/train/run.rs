//! How a run is done: what of a recipe is changed, where it computes, where it goes.

use crate::bar::Bar;
use anyhow::Result;
use candle::Device;
use clap::Args;
use cli::device::DeviceArgs;
use cli::exit::{Outcome, Output, Usage};
use cli::threads;
use std::io::{Write, stdout};
use std::path::PathBuf;
use train::recipe::{Length, Warmup};
use train::{Decay, Network, Options, Plan, Recipe, Start, Task, Variables};

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Where checkpoints, metrics and, in best/, the best weights go
    #[arg(long, alias = "output-dir", value_name = "DIR")]
    out: PathBuf,
    /// Go on from the last checkpoint in --out
    #[arg(long)]
    resume: bool,
    /// How often every picture is seen [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Pictures of a step [default: the recipe's]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: Option<u16>,
    /// Batches whose gradients are averaged for one step
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    accumulate: u16,
    /// Learning rate [default: the recipe's, in proportion to the batch size]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Steps in which the learning rate rises, one epoch at most [default: the recipe's]
    #[arg(long, value_name = "N")]
    lr_warmup_steps: Option<u64>,
    /// [default: the recipe's]
    #[arg(long, alias = "wd", value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// The longest that all gradients together may be, 0 for any length [default: the recipe's]
    #[arg(long, value_name = "NORM")]
    clip_grad_norm: Option<f64>,
    /// What the moving average of the weights keeps at each step, 0 for no average [default: the
    /// recipe's]
    #[arg(long, value_name = "SHARE", value_parser = cli::inputs::share::<f64>)]
    model_ema_decay: Option<f64>,
    /// Names, or beginnings of names up to a dot, of weights that stay as they are
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    freeze: Vec<String>,
    /// Of all random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Steps between checkpoints, besides those after every epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    save_steps: Option<u64>,
    /// Steps between lines of metrics.jsonl
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    print_freq: u64,
    /// Threads that make pictures ready [default: as many as cores, 4 at most]
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads on the CPU [default: all cores, or RAYON_NUM_THREADS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Only the result and errors
    #[arg(long, short)]
    quiet: bool,
}

impl RunArgs {
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Something worth a sentence.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// Sets up the threads, which may start the program anew, and opens the device.
    pub(crate) fn device(&self) -> Result<Device> {
        self.threads.map_or(Ok(()), threads::ensure)?;
        self.device.open(|text| self.note(text))
    }

    /// The variables of a network, some of them frozen.
    pub(crate) fn variables(&self, start: &Start, device: &Device) -> Variables {
        Variables::new(start.builder(self.seed, device)).freeze(self.freeze.iter().cloned())
    }

    /// The recipe with what the arguments change, for so many examples.
    ///
    /// # Errors
    /// [`Usage`]: numbers that make no sense.
    fn plan(&self, recipe: Recipe, examples: usize) -> Result<Plan> {
        let mut recipe = match self.batch_size {
            Some(batch) => recipe.with_batch(batch.into()),
            None => recipe,
        };
        recipe.accumulate = self.accumulate.into();
        if let Some(epochs) = self.epochs {
            recipe.length = Length::Epochs(epochs);
        }
        if let Some(rate) = self.lr {
            recipe.rate = positive("--lr", rate)?;
        }
        if let Some(steps) = self.lr_warmup_steps {
            recipe.warmup = Warmup::Steps(steps, 1e-2);
        }
        if let Some(decay) = self.weight_decay {
            recipe.groups.weight_decay = positive("--weight-decay", decay)?;
        }
        if let Some(norm) = self.clip_grad_norm {
            recipe.clip = Some(positive("--clip-grad-norm", norm)?).filter(|&norm| norm > 0.0);
        }
        if let Some(decay) = self.model_ema_decay {
            recipe.ema = (decay > 0.0).then_some(Decay { decay, warmup: true });
        }
        Ok(recipe.plan(self.seed, examples))
    }

    /// Trains, and prints the scores of the end.
    ///
    /// # Errors
    /// Whatever ends the run.
    pub(crate) fn train<T: Task>(
        &self,
        task: &T,
        network: &mut Box<dyn Network>,
        variables: &Variables,
        recipe: Recipe,
    ) -> Result<Outcome> {
        let idle = variables.frozen_nothing();
        if !idle.is_empty() {
            let text = format!("--freeze: no weights have such names: {}", idle.join(", "));
            return Err(Usage(text).into());
        }
        let plan = self.plan(recipe, task.examples())?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options {
            out: self.out.clone(),
            resume: self.resume,
            save_steps: self.save_steps,
            log_steps: self.print_freq,
            workers: self.workers.map_or(cores.min(4), usize::from),
            ahead: 4,
        };
        let scores = train::train(task, network, &plan, &options, &mut Bar::new(self.quiet))?;
        let mut text = String::new();
        for (name, value) in &scores.all {
            text += &format!("{name:24}: {value:.2}\n");
        }
        stdout().write_all(text.as_bytes()).map_err(Output)?;
        self.note(&format!("the best weights are in {}", self.out.join("best").display()));
        Ok(Outcome::Complete)
    }
}

fn positive(flag: &str, value: f64) -> Result<f64> {
    let text = format!("{flag} {value}: expected a number of 0 or more");
    Some(value).filter(|v| v.is_finite() && *v >= 0.0).ok_or_else(|| Usage(text).into())
}
