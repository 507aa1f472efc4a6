//! Trains models: `cargo run --release --example train -- classify --data flowers/ --out flowers-model/`

mod bar;
mod classify;
mod recipe;
mod run;

use clap::{Parser, Subcommand};
use cli::exit::{CODES, report};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  train classify --data flowers/ --out run/                         from the built-in model to your classes
  train classify --data flowers/ --out run/ --resume                on, after whatever stopped it
  train classify --data flowers/ --out run/ --init ghostnetv2_100 --epochs 30 --lr 3e-4
  train classify --data tiny-imagenet-200/ --out run/ --recipe small --cache 2g
  train classify --data imagenet/ --out run/ --recipe paper --batch-size 256 --accumulate 4
";

/// Trains models.
#[derive(Parser, Debug)]
#[command(name = "train", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{CODES}"))]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// A classifier, from pictures in a folder per class: DIR/train/CLASS/*.jpg, DIR/val/CLASS/*.jpg
    #[command(after_help = EXAMPLES)]
    Classify(Box<classify::ClassifyArgs>),
}

fn main() -> ExitCode {
    report(match Cli::parse().task {
        Task::Classify(args) => classify::run(&args),
    })
}
