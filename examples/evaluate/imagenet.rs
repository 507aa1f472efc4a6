//! `evaluate imagenet`: top-1 and top-5 accuracy.

use crate::ReportFormat;
use anyhow::Result;
use clap::Args;
use cli::backend::BackendArgs;
use cli::exit::{Outcome, Output, Usage};
use cli::model::{Model, ModelArgs};
use cli::pictures::{PictureArgs, for_each_batch};
use cli::{labels, progress, timing};
use ghostnetv2::Timings;
use heads::data::imagenet::{self, Classes, Labelled};
use heads::eval::top_k::{TopK, best};
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
    decode: PictureArgs,
    /// How to write the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Also write a table: path, class, the five best classes
    #[arg(long, value_name = "FILE")]
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
    let counts = score(args, &model, &known)?;
    counts.print(args, &model, left_out)?;
    Ok(if counts.failed > 0 { Outcome::SomeFailed } else { Outcome::Complete })
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
    images_per_s: f64,
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
                (Ok(()), None) => anyhow::bail!("{}: no scores", path.display()),
            }
        }
        bar.inc(batch.files.len() as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        fs::write(path, table).map_err(Output)?;
    }
    let images_per_s = files.len() as f64 / start.elapsed().as_secs_f64();
    Ok(Counts { top_k, failed, images_per_s, steps })
}

impl Counts {
    fn print(&self, args: &ImagenetArgs, model: &Model, left_out: usize) -> Result<()> {
        let (top1, top5) = self.top_k.percent();
        let TopK { count, top1: right1, top5: right5 } = self.top_k;
        let text = match args.format {
            ReportFormat::Json => json!({
                "model": model.config.name(), "weights": model.origin,
                "size": [model.preprocess.height(), model.preprocess.width()],
                "pictures": count, "left_out": left_out, "unreadable": self.failed,
                "top1": finite(top1), "top5": finite(top5), "right1": right1, "right5": right5,
                "images_per_s": self.images_per_s,
            })
            .to_string(),
            ReportFormat::Text => format!(
                "top-1 {top1:.2} %  ({right1} of {count})\ntop-5 {top5:.2} %  ({right5} of {count})\n\
                 {:.1} images/s; {left_out} left out, their class is not one of the model's {}; \
                 {} unreadable",
                self.images_per_s, model.classes, self.failed
            ),
        };
        writeln!(stdout(), "{text}").map_err(Output)?;
        eprint!("{}", self.steps.as_ref().map_or(String::new(), timing::table));
        Ok(())
    }
}

/// JSON has no NaN, which the share of nothing is.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
