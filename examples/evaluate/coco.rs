//! `evaluate coco`: average precision and recall of boxes.

use crate::ReportFormat;
use crate::part::PartArgs;
use anyhow::{Result, bail};
use clap::Args;
use cli::coco_results::{FoundBox, FoundBoxes};
use cli::compute::FloatArgs;
use cli::detectors::{Detector, Preset};
use cli::exit::{Outcome, Output, Usage};
use cli::fingerprint::Fingerprint;
use cli::fitted::{Item, Run, Task};
use cli::headed::{Headed, HeadedArgs};
use cli::inputs;
use cli::objects::Objects;
use cli::part::Content;
use cli::pictures::PictureArgs;
use cli::shard::{interleaved, share_of};
use cli::spent::Spent;
use heads::boxes::{Detection, Detections};
use heads::data::DataError;
use heads::data::coco::{Coco, Image};
use heads::data::coco_results::{self, CocoResult};
use heads::eval::coco::Evaluation;
use heads::placement::Batch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

/// The most detections of a category in a picture that COCO's scores look at.
const MOST_DETECTIONS: usize = 100;

#[derive(Args, Debug)]
pub(crate) struct CocoArgs {
    /// What there is to be found, in COCO's form
    #[arg(long, value_name = "FILE")]
    annotations: PathBuf,
    /// What was found, as `detect --save-coco` writes it
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "images",
        conflicts_with_all = ["images", "shard"]
    )]
    detections: Option<PathBuf>,
    /// The pictures of the annotations, for a detector
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Let detections be of another category than their objects
    #[arg(long)]
    without_categories: bool,
    /// Also say the average precision of each category, and that at an overlap of one half
    #[arg(long)]
    by_category: bool,
    #[command(flatten)]
    model: HeadedArgs,
    /// What the shorter side of a picture becomes, or the square that it is fitted into, in pixels
    /// [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Pictures that go through the network together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    #[command(flatten)]
    backend: FloatArgs,
    #[command(flatten)]
    part: PartArgs,
    #[command(flatten)]
    decode: PictureArgs,
    /// How to write the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Only the result and errors
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(args: &CocoArgs) -> Result<Outcome> {
    let truth = Coco::read(&args.annotations)?;
    match (&args.detections, &args.images) {
        (Some(file), _) => {
            let results = coco_results::read(file, &truth)?;
            if !args.quiet {
                warn_of_many(&results);
            }
            args.report().print(&truth, &results)?;
            Ok(Outcome::Complete)
        }
        (None, Some(images)) => detect(args, &truth, images),
        (None, None) => bail!("neither --detections nor --images"),
    }
}

/// Says where there are more detections than the scores look at.
fn warn_of_many(results: &[CocoResult]) {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for found in results {
        *counts.entry((found.image_id, found.category_id)).or_default() += 1;
    }
    let many = counts.values().filter(|&&count| count > MOST_DETECTIONS).count();
    if many > 0 {
        eprintln!(
            "{many} times there are more than {MOST_DETECTIONS} detections of a category in a \
             picture: only the best {MOST_DETECTIONS} count"
        );
    }
}

impl CocoArgs {
    fn report(&self) -> Report {
        let Self { without_categories, by_category, format, .. } = *self;
        Report { without_categories, by_category, format }
    }
}

fn detect(args: &CocoArgs, truth: &Coco, folder: &Path) -> Result<Outcome> {
    let paths = pictures(truth, folder)?;
    let compute = args.backend.open(|text| eprintln!("{text}"))?;
    let headed: Headed<Preset> = args.model.open(args.quiet)?;
    let batch = args.batch.into();
    let detector = headed.detector(args.size, None, (&compute, batch))?;
    let objects = Objects::new(detector.classes(), headed.timm_config(), None)?;
    let annotations = Annotations::of(&args.annotations)?;
    let mut share = args.part.share(&paths, || headed.fingerprint())?;
    if let Some(share) = &mut share {
        share.run.insert("annotations".into(), annotations.fingerprint.clone());
    }
    let images = share_of(share.as_ref(), truth.images.iter().collect());
    let known = truth.categories.iter().map(|category| category.id).collect();
    let run = Run {
        paths: &paths,
        share: share.as_ref(),
        batch,
        one_input: false,
        options: args.decode.options_for_places(),
        input: detector.input(),
        device: detector.device(),
        out: None,
        format: None,
        quiet: args.quiet,
    };
    let found = FoundBoxes(vec![Vec::new(); images.len()]);
    let mut scored = Scored { detector, objects, images, known, found, left_out: 0 };
    let (outcome, _) = run.through(&mut scored)?;
    if scored.left_out > 0 && !args.quiet {
        let left_out = scored.left_out;
        eprintln!("{left_out} detections left out: the annotations do not have their categories");
    }
    let found = FoundForScores { annotations, report: args.report(), found: scored.found };
    args.part.close(&found, share.as_ref(), outcome, |found| {
        found.report.print(truth, &found.found.results())
    })
}

/// The files of all pictures, in the annotations' order.
fn pictures(truth: &Coco, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let paths = truth.images.iter().map(|image| folder.join(&image.file_name));
    inputs::all_there(folder, paths.collect())
}

/// A detector, and what it has found so far.
struct Scored<'a> {
    detector: Box<dyn Detector>,
    objects: Objects,
    images: Vec<&'a Image>,
    /// Categories of the annotations.
    known: BTreeSet<u64>,
    found: FoundBoxes,
    left_out: usize,
}

impl Task for Scored<'_> {
    type Answer = Detections;
    type Row = ();

    fn compute(&mut self, batch: &Batch) -> Result<Vec<Detections>> {
        self.detector.detect(batch, &mut Spent::default(), None)
    }

    fn show(&mut self, item: Item<'_>, found: Detections) -> Result<()> {
        let Item { place, path, picture, .. } = item;
        let image = self.images[place];
        if (image.width, image.height) != (picture.width(), picture.height()) {
            let problem = format!(
                "{} has {}x{} pixels: expected {}x{}, as the annotations say; with another \
                 --exif it may fit",
                path.display(),
                picture.width(),
                picture.height(),
                image.width,
                image.height
            );
            return Err(DataError::Invalid { path: path.into(), problems: vec![problem] }.into());
        }
        for Detection { bbox, class_id, score } in found {
            let category_id = self.objects.category(class_id);
            if !self.known.contains(&category_id) {
                self.left_out += 1;
                continue;
            }
            let found = FoundBox { image_id: image.id, category_id, bbox, score };
            self.found.0[place].push(found);
        }
        Ok(())
    }
}

/// What of the scores is printed, and how.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Report {
    without_categories: bool,
    by_category: bool,
    format: ReportFormat,
}

/// The file of the annotations.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Annotations {
    path: PathBuf,
    fingerprint: String,
}

impl Annotations {
    fn of(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)
            .map_err(|error| Usage(format!("can't read {}: {error}", path.display())))?;
        Ok(Self { path: path.into(), fingerprint: Fingerprint::of(&bytes) })
    }
}

/// What was found in all pictures or in those of a shard, and how it is to be scored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FoundForScores {
    annotations: Annotations,
    report: Report,
    found: FoundBoxes,
}

impl Content for FoundForScores {
    const KIND: &'static str = "detections to be scored";
}

impl FoundForScores {
    /// Of all shards.
    ///
    /// # Errors
    /// Of none.
    pub(crate) fn interleaved(shards: Vec<Self>) -> Result<Self> {
        let Some(first) = shards.first() else { bail!("no shards") };
        let (annotations, report) = (first.annotations.clone(), first.report);
        let found = shards.into_iter().map(|shard| shard.found.0).collect();
        Ok(Self { annotations, report, found: FoundBoxes(interleaved(found)) })
    }

    /// Scores them by the annotations, which may lie elsewhere now.
    ///
    /// # Errors
    /// Annotations that can't be read, or are others.
    pub(crate) fn print(&self, elsewhere: Option<&Path>) -> Result<()> {
        let path = elsewhere.unwrap_or(&self.annotations.path);
        if Annotations::of(path)?.fingerprint != self.annotations.fingerprint {
            let text = format!(
                "{}: others than the shards had: expected --annotations with a copy of theirs",
                path.display()
            );
            return Err(Usage(text).into());
        }
        self.report.print(&Coco::read(path)?, &self.found.results())
    }
}

impl Report {
    fn print(&self, truth: &Coco, results: &[CocoResult]) -> Result<()> {
        let evaluation = Evaluation::new(truth, results, !self.without_categories);
        let summary = evaluation.summary();
        let name = |number: u64| {
            let category = truth.categories.iter().find(|category| category.id == number);
            category.map_or("?", |category| category.name.as_str())
        };
        let categories =
            self.by_category.then(|| (evaluation.by_category(), evaluation.by_category_at_50()));
        let text = match (self.format, categories) {
            (ReportFormat::Text, None) => summary.to_string(),
            (ReportFormat::Text, Some((all, half))) => {
                let line = |(&(number, ap), (_, at_50)): (&(u64, f64), &(u64, f64))| {
                    format!("{:24}: {ap:.3}  {at_50:.3}\n", name(number))
                };
                let lines: String = all.iter().zip(&half).map(line).collect();
                format!("{summary}{:24}  AP     AP50\n{lines}", "")
            }
            (ReportFormat::Json, categories) => {
                let mut object = json!(summary);
                if let Some((all, half)) = categories {
                    let named = |scores: Vec<(u64, f64)>| {
                        let each =
                            scores.into_iter().map(|(id, ap)| (name(id).to_owned(), json!(ap)));
                        Value::Object(each.collect::<Map<_, _>>())
                    };
                    object["by_category"] = named(all);
                    object["by_category_50"] = named(half);
                }
                format!("{object}\n")
            }
        };
        Ok(stdout().write_all(text.as_bytes()).map_err(Output)?)
    }
}
