//! `evaluate coco`: average precision and recall of boxes.

use crate::ReportFormat;
use anyhow::{Result, bail};
use clap::Args;
use cli::compute::FloatArgs;
use cli::exit::{Outcome, Output};
use cli::fitted::{Run, Task};
use cli::headed::{Headed, HeadedArgs};
use cli::inputs;
use cli::networks::Detector;
use cli::objects::Objects;
use cli::pictures::PictureArgs;
use ghostnetv2::picture::Rgb8;
use heads::boxes::{Detection, Detections};
use heads::data::DataError;
use heads::data::coco::{Coco, Image};
use heads::data::coco_results::{self, CocoResult};
use heads::eval::coco::Evaluation;
use heads::placement::Batch;
use heads::retinanet::Preset;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

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
        conflicts_with = "images"
    )]
    detections: Option<PathBuf>,
    /// The pictures of the annotations, for a detector
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Let detections be of another category than their objects
    #[arg(long)]
    without_categories: bool,
    /// Also say the average precision of each category
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
    let (results, outcome) = match (&args.detections, &args.images) {
        (Some(file), _) => (coco_results::read(file, &truth)?, Outcome::Complete),
        (None, Some(images)) => detect(args, &truth, images)?,
        (None, None) => bail!("neither --detections nor --images"),
    };
    print(args, &truth, &Evaluation::new(&truth, &results, !args.without_categories))?;
    Ok(outcome)
}

fn detect(args: &CocoArgs, truth: &Coco, folder: &Path) -> Result<(Vec<CocoResult>, Outcome)> {
    let paths = pictures(truth, folder)?;
    let compute = args.backend.open(|text| eprintln!("{text}"))?;
    let headed: Headed<Preset> = args.model.open(args.quiet)?;
    let batch = args.batch.into();
    let detector = headed.detector(args.size, |preset| preset, (&compute, batch))?;
    let objects = Objects::new(detector.config().classes, headed.timm_config(), None)?;
    let images = paths.iter().cloned().zip(&truth.images).collect();
    let known = truth.categories.iter().map(|category| category.id).collect();
    let run = Run {
        paths: &paths,
        batch,
        options: args.decode.options_for_places(),
        input: detector.config().input,
        device: detector.device(),
        out: None,
        format: None,
        quiet: args.quiet,
    };
    let results = Vec::new();
    let mut scored = Scored { detector, objects, images, known, results, left_out: 0 };
    let (outcome, _) = run.through(&mut scored)?;
    if scored.left_out > 0 && !args.quiet {
        let left_out = scored.left_out;
        eprintln!("{left_out} detections left out: the annotations do not have their categories");
    }
    Ok((scored.results, outcome))
}

/// The files of all pictures, in the annotations' order.
fn pictures(truth: &Coco, folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let paths = truth.images.iter().map(|image| folder.join(&image.file_name));
    inputs::all_there(folder, paths.collect())
}

/// A detector, and what it has found so far.
struct Scored<'a> {
    detector: Detector,
    objects: Objects,
    images: BTreeMap<PathBuf, &'a Image>,
    /// Categories of the annotations.
    known: BTreeSet<u64>,
    results: Vec<CocoResult>,
    left_out: usize,
}

impl Task for Scored<'_> {
    type Answer = Detections;
    type Row = ();

    fn compute(&mut self, batch: &Batch) -> Result<Vec<Detections>> {
        Ok(self.detector.detect_batch(batch)?)
    }

    fn show(
        &mut self,
        path: &Path,
        _: Option<&Path>,
        picture: &Rgb8,
        found: Detections,
    ) -> Result<()> {
        let Some(image) = self.images.get(path) else { return Ok(()) };
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
            let [x1, y1, x2, y2] = bbox.map(f64::from);
            let bbox = [x1, y1, x2 - x1, y2 - y1];
            let (image_id, score) = (image.id, score.into());
            self.results.push(CocoResult { image_id, category_id, bbox, score });
        }
        Ok(())
    }
}

fn print(args: &CocoArgs, truth: &Coco, evaluation: &Evaluation) -> Result<()> {
    let summary = evaluation.summary();
    let name = |number: u64| {
        let category = truth.categories.iter().find(|category| category.id == number);
        category.map_or("?", |category| category.name.as_str())
    };
    let categories = if args.by_category { evaluation.by_category() } else { Vec::new() };
    let text = match args.format {
        ReportFormat::Text => {
            let line = |&(number, ap): &(u64, f64)| format!("{:24}: {ap:.3}\n", name(number));
            format!("{summary}{}", categories.iter().map(line).collect::<String>())
        }
        ReportFormat::Json => {
            let mut object = json!(summary);
            if args.by_category {
                let each =
                    categories.iter().map(|&(number, ap)| (name(number).to_owned(), json!(ap)));
                object["by_category"] = Value::Object(each.collect::<Map<_, _>>());
            }
            format!("{object}\n")
        }
    };
    Ok(stdout().write_all(text.as_bytes()).map_err(Output)?)
}
