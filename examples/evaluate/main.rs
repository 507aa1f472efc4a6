//! Scores models on labelled data: `cargo run --release --example evaluate -- imagenet --list val.txt`

mod coco;
mod imagenet;
mod merge;
mod part;
mod pixels;

use clap::{Parser, Subcommand, ValueEnum};
use cli::exit::{CODES, report};
use heads::data::pixels::Layout;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  evaluate imagenet --folder imagenet/val                       a folder per class, named by WordNet ids
  evaluate imagenet --list val/dataset.txt                      lines of NAME, CLASS
  evaluate imagenet --list tiny-imagenet-200/val/val_annotations.txt --images tiny-imagenet-200/val/images
  evaluate imagenet --model ghostnetv2_100 --folder imagenet/val --format json
  evaluate coco --annotations instances_val2017.json --images val2017/ --model my-detector/
  evaluate coco --annotations instances_val2017.json --detections results.json
  evaluate ade20k --annotations annotations/validation/ --images images/validation/ --model my-network/
  evaluate camvid --annotations testannot/ --predictions masks/
  evaluate imagenet --folder imagenet/val --shard 2/4 --partial 2.json
  evaluate merge 1.json 2.json 3.json 4.json
";

/// Scores models on labelled data.
#[derive(Parser, Debug)]
#[command(name = "evaluate", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{CODES}"))]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand, Debug)]
enum Task {
    /// Top-1 and top-5 accuracy of a classifier
    #[command(after_help = EXAMPLES)]
    Imagenet(imagenet::ImagenetArgs),
    /// COCO's average precision and recall of a detector, or of detections in a file
    #[command(after_help = EXAMPLES)]
    Coco(coco::CocoArgs),
    /// Mean intersection over union on ADE20K: 150 classes, in its masks 0 is none and 1 the first
    #[command(after_help = EXAMPLES)]
    Ade20k(pixels::PixelsArgs),
    /// The same on CamVid: 11 classes, in its masks 11 is none
    #[command(after_help = EXAMPLES)]
    Camvid(pixels::PixelsArgs),
    /// The same on any masks, in which 255 is none
    #[command(after_help = EXAMPLES)]
    Folders(pixels::PixelsArgs),
    /// Join what the shards of one run wrote: prints what the run would have printed without them
    #[command(after_help = EXAMPLES)]
    Merge(merge::MergeArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReportFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    report(match Cli::parse().task {
        Task::Imagenet(args) => imagenet::run(&args),
        Task::Coco(args) => coco::run(&args),
        Task::Ade20k(args) => pixels::run(&args, Layout::Ade20k),
        Task::Camvid(args) => pixels::run(&args, Layout::Camvid),
        Task::Folders(args) => pixels::run(&args, Layout::Folders),
        Task::Merge(args) => merge::run(&args),
    })
}
