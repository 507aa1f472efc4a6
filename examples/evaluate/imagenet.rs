//! `evaluate imagenet`: top-1 and top-5 accuracy.

use crate::ReportFormat;
use crate::part::PartArgs;
use anyhow::{Result, bail};
use clap::Args;
use cli::backend::BackendArgs;
use cli::exit::{Outcome, Output, Usage};
use cli::fingerprint::Fingerprint;
use cli::model::{Model, ModelArgs};
use cli::part::Content;
use cli::pictures::{PictureArgs, for_each_batch};
use cli::shard::{Share, share_of};
use cli::{labels, progress, timing};
use ghostnetv2::Timings;
use heads::data::imagenet::{self, Classes, Labelled};
use heads::eval::top_k::{TopK, best};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args, Debug)]
pub(crate) struct ImagenetArgs {
    /// Pictures in a folder per class, named by WordNet ids
    #[arg(long, value_name = "DIR", required_unless_present = "list", conflicts_with = "list")]
    folder: Option<PathBuf>,
    /// Pictures in a list of `NAME, CLASS` lines, CLASS 0 to 999 or a WordNet id
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// The folder that names in the list are relative to [default: the list's]
    #[arg(long, value_name = "DIR", requires = "list")]
    images: Option<PathBuf>,
    /// What the classes of the list are: a WordNet id a line, in class order [default: ImageNet's]
    #[arg(long, value_name = "FILE", requires = "list")]
    classes: Option<PathBuf>,
    /// Only the first N pictures
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures that go through the network together
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    #[command(flatten)]
    backend: BackendArgs,
    #[command(flatten)]
    part: PartArgs,
    #[command(flatten)]
    decode: PictureArgs,
    /// How to write the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Also write a table: path, class, the five best classes
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    csv: Option<PathBuf>,
    /// Say how long each kind of operation of a plan took
    #[arg(long)]
    timing: bool,
    /// Only the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: &ImagenetArgs) -> Result<Outcome> {
    let mut pictures = pictures(args)?;
    pictures.truncate(args.limit.unwrap_or(usize::MAX));
    let backend = args.backend.open(args.model.only_candle(), |text| eprintln!("{text}"))?;
    let model = args.model.open(&backend, args.batch.into(), args.quiet)?;

    let all = pictures.len();
    let known: Vec<(PathBuf, usize)> = pictures
        .into_iter()
        .filter_map(|p| Some((p.path, model.labels.class_of(&p.wnid)?)))
        .collect();
    if known.is_empty() {
        let text = format!("none of the {all} pictures is of a class that {} knows", model.origin);
        return Err(Usage(text).into());
    }
    let left_out = all - known.len();
    let share = share(args, &known)?;
    let counts = score(args, &model, &share_of(share.as_ref(), known))?;
    let outcome = if counts.failed > 0 { Outcome::SomeFailed } else { Outcome::Complete };
    let accuracy = Accuracy {
        model: model.config.name(),
        weights: model.origin,
        size: [model.preprocess.height(), model.preprocess.width()],
        classes: model.classes,
        left_out,
        top_k: counts.top_k,
        unreadable: counts.failed,
        seconds: counts.seconds,
        format: args.format,
    };
    let outcome = args.part.close(&accuracy, share.as_ref(), outcome, Accuracy::print)?;
    eprint!("{}", counts.steps.as_ref().map_or(String::new(), timing::table));
    Ok(outcome)
}

/// The share that is to be scored; all shards must know the same pictures by the same classes.
fn share(args: &ImagenetArgs, known: &[(PathBuf, usize)]) -> Result<Option<Share>> {
    let paths: Vec<_> = known.iter().map(|(path, _)| path.clone()).collect();
    let mut share = args.part.share(&paths, || args.model.fingerprint(args.quiet))?;
    if let Some(share) = &mut share {
        let mut classes = Fingerprint::default();
        known.iter().for_each(|(_, class)| classes.add(&class.to_le_bytes()));
        share.run.insert("classes".into(), classes.text());
    }
    Ok(share)
}

fn pictures(args: &ImagenetArgs) -> Result<Vec<Labelled>> {
    if let Some(folder) = &args.folder {
        return Ok(imagenet::folder(folder)?);
    }
    let Some(list) = &args.list else { return Ok(Vec::new()) };
    let classes = match &args.classes {
        None => labels::imagenet()?,
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| Usage(format!("can't read {}: {error}", path.display())))?;
            Classes::parse(path, &text)?
        }
    };
    Ok(imagenet::list(list, args.images.as_deref(), &classes)?)
}

/// What came out of all pictures.
struct Counts {
    top_k: TopK,
    failed: usize,
    seconds: f64,
    /// Of a plan, where they are wanted.
    steps: Option<Timings>,
}

fn score(args: &ImagenetArgs, model: &Model, pictures: &[(PathBuf, usize)]) -> Result<Counts> {
    let files: Vec<PathBuf> = pictures.iter().map(|(path, _)| path.clone()).collect();
    let mut classes = pictures.iter().map(|&(_, class)| class);
    let bar = progress::items(files.len(), "pictures", args.quiet);
    let (mut top_k, mut failed) = (TopK::default(), 0);
    let mut steps = args.timing.then(Timings::default);
    let mut table = String::from("path,class,best1,best2,best3,best4,best5\n");
    let start = Instant::now();
    let (options, preprocess) = (args.decode.options(), &model.preprocess);
    let device = model.net.device();
    for_each_batch(&files, args.batch.into(), &options, preprocess, device, |batch| {
        let logits: Vec<Vec<f32>> = match &batch.input {
            Some(input) => model.net.forward(input, steps.as_mut())?.to_vec2()?,
            None => Vec::new(),
        };
        let mut logits = logits.iter();
        for ((path, result), class) in batch.files.iter().zip(&mut classes) {
            match (result, result.is_ok().then(|| logits.next()).flatten()) {
                (Err(error), _) => {
                    failed += 1;
                    bar.suspend(|| eprintln!("error: {error}"));
                }
                (Ok(()), Some(scores)) => {
                    top_k.add(scores, class);
                    let best: Vec<_> = best(scores, 5).iter().map(usize::to_string).collect();
                    table += &format!("\"{}\",{class},{}\n", path.display(), best.join(","));
                }
                (Ok(()), None) => bail!("{}: no scores", path.display()),
            }
        }
        bar.inc(batch.files.len() as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        fs::write(path, table).map_err(Output)?;
    }
    Ok(Counts { top_k, failed, seconds: start.elapsed().as_secs_f64(), steps })
}

/// How often a model was right, of all pictures or of those of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Accuracy {
    model: String,
    weights: String,
    /// Height and width of the input.
    size: [u32; 2],
    classes: usize,
    /// Pictures of no class of the model's, of all shards together.
    left_out: usize,
    top_k: TopK,
    unreadable: usize,
    seconds: f64,
    format: ReportFormat,
}

impl Content for Accuracy {
    const KIND: &'static str = "counts of right classes";
}

impl Accuracy {
    /// Of all shards.
    ///
    /// # Errors
    /// Of none; numbers that are too large to be counts.
    pub(crate) fn sum(shards: &[Self]) -> Result<Self> {
        let Some((first, more)) = shards.split_first() else { bail!("no shards") };
        let mut all = first.clone();
        for shard in more {
            let top_k = all.top_k.sum(&shard.top_k);
            let unreadable = all.unreadable.checked_add(shard.unreadable);
            let (Some(top_k), Some(unreadable)) = (top_k, unreadable) else {
                bail!("shards of more pictures than can be counted")
            };
            let seconds = all.seconds + shard.seconds;
            all = Self { top_k, unreadable, seconds, ..all };
        }
        Ok(all)
    }

    /// On stdout. Images per second are those of one machine where shards ran on several.
    pub(crate) fn print(&self) -> Result<()> {
        let (top1, top5) = self.top_k.percent();
        let TopK { count, top1: right1, top5: right5 } = self.top_k;
        let images_per_s = (count as f64 + self.unreadable as f64) / self.seconds;
        let text = match self.format {
            ReportFormat::Json => json!({
                "model": self.model, "weights": self.weights, "size": self.size,
                "pictures": count, "left_out": self.left_out, "unreadable": self.unreadable,
                "top1": finite(top1), "top5": finite(top5), "right1": right1, "right5": right5,
                "images_per_s": images_per_s,
            })
            .to_string(),
            ReportFormat::Text => format!(
                "top-1 {top1:.2} %  ({right1} of {count})\ntop-5 {top5:.2} %  ({right5} of {count})\n\
                 {images_per_s:.1} images/s; {} left out, their class is not one of the model's {}; \
                 {} unreadable",
                self.left_out, self.classes, self.unreadable
            ),
        };
        Ok(writeln!(stdout(), "{text}").map_err(Output)?)
    }
}

/// JSON has no NaN, which the share of nothing is.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
