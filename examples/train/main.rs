//! Trains networks: `cargo run --release --example train -- classify --data flowers/ --out run/`

mod bar;
mod classify;
mod detect;
mod freeze;
mod job;
mod recipe;
mod run;
mod segment;
mod start;

use clap::{Parser, Subcommand};
use cli::exit::{CODES, report};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  train classify --data flowers/ --out runs/flowers                 from the built-in model to your classes
  train classify --data flowers/ --out runs/flowers --resume        on, after whatever stopped it
  train classify --data tiny-imagenet-200/ --out runs/tiny --recipe small --cache 2g
  train classify --data imagenet/ --out runs/imagenet --recipe paper --batch-size 256 --accumulate 4
  train detect --data images/ --annotations train.json --val-annotations val.json --out runs/mine
  train segment --data camvid/ --layout camvid --size 360 --out runs/camvid
  train segment --data ade20k/ --layout ade20k --preset mmseg --recipe mmseg --init ghostnetv2_100 --out runs/ade
";

/// Trains networks on your own data.
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
    /// A RetinaNet, on pictures with boxes in COCO's form
    #[command(after_help = EXAMPLES)]
    Detect(Box<detect::DetectArgs>),
    /// A Semantic FPN, on pictures with masks
    #[command(after_help = EXAMPLES)]
    Segment(Box<segment::SegmentArgs>),
}

fn main() -> ExitCode {
    let mut task = Cli::parse().task;
    let run = match &mut task {
        Task::Classify(args) => &mut args.run,
        Task::Detect(args) => &mut args.run,
        Task::Segment(args) => &mut args.run,
    };
    let job = match run.join() {
        Ok(job) => job,
        Err(error) => return report(Err(error)),
    };
    job.end(match task {
        Task::Classify(args) => classify::run(&args),
        Task::Detect(args) => detect::run(&args),
        Task::Segment(args) => segment::run(&args),
    })
}
