//! `evaluate ade20k`, `camvid` and `folders`: mean intersection over union of label maps.

use crate::ReportFormat;
use crate::part::PartArgs;
use anyhow::{Result, bail};
use clap::Args;
use cli::compute::FloatArgs;
use cli::exit::{Outcome, Output, Usage};
use cli::files::with_ending;
use cli::fitted::{Item, Run, Task};
use cli::headed::{Headed, HeadedArgs};
use cli::part::Content;
use cli::pictures::PictureArgs;
use cli::segmenters::{Preset, Segmenter};
use cli::shard::share_of;
use cli::{inputs, scenes};
use heads::data::pixels::Layout;
use heads::data::{DataError, mask};
use heads::eval::segmentation::PixelCounts;
use heads::placement::Batch;
use heads::segmentation::LabelMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(crate) struct PixelsArgs {
    /// The masks, PNG files with the pictures' names
    #[arg(long, value_name = "DIR")]
    annotations: PathBuf,
    /// The pictures, for a network
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "predictions",
        conflicts_with = "predictions"
    )]
    images: Option<PathBuf>,
    /// Masks that are ready, PNG files with the names of the annotations, as `segment` writes them
    #[arg(long, value_name = "DIR")]
    predictions: Option<PathBuf>,
    /// In the predictions 0 is no class and 1 the first
    #[arg(long, requires = "predictions")]
    predictions_from_one: bool,
    /// In the annotations 0 is no class and 1 the first, as always in ADE20K
    #[arg(long)]
    reduce_zero_label: bool,
    /// How many classes the predictions have [default: the data set's, or the network's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    num_classes: Option<u8>,
    /// Names of the classes, one a line [default: the data set's]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    model: HeadedArgs,
    /// What the shorter side of a picture becomes, in pixels [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
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

pub(crate) fn run(args: &PixelsArgs, layout: Layout) -> Result<Outcome> {
    let told = args.num_classes.map(usize::from).or(layout.classes());
    match (&args.predictions, &args.images) {
        (Some(folder), _) => {
            let Some(classes) = told else {
                let text = "--num-classes: expected how many classes the predictions have";
                return Err(Usage(text.into()).into());
            };
            let names = scenes::names(classes, None, args.labels.as_deref())?;
            of_predictions(args, layout, folder, names)
        }
        (None, Some(folder)) => of_network(args, layout, folder),
        (None, None) => bail!("neither --predictions nor --images"),
    }
}

fn of_predictions(
    args: &PixelsArgs,
    layout: Layout,
    folder: &Path,
    names: Vec<String>,
) -> Result<Outcome> {
    let annotations = inputs::expand(std::slice::from_ref(&args.annotations))?;
    let pairs = beside(&annotations, folder)?;
    let share = args.part.share(&annotations, || Ok("none: masks that are ready".into()))?;
    let mut counts = PixelCounts::new(names.len());
    let pairs = annotations.iter().zip(pairs).collect();
    for (annotation, prediction) in share_of(share.as_ref(), pairs) {
        let truth = layout.read(annotation, args.reduce_zero_label)?;
        let predicted = mask::read(&prediction, args.predictions_from_one)?;
        counts.add(&predicted, &truth).map_err(|error| invalid(&prediction, &error))?;
    }
    let counted = CountedPixels { names, counts, format: args.format };
    args.part.close(&counted, share.as_ref(), Outcome::Complete, CountedPixels::print)
}

fn of_network(args: &PixelsArgs, layout: Layout, folder: &Path) -> Result<Outcome> {
    let paths = inputs::expand(&[folder.into()])?;
    let annotations = beside(&paths, &args.annotations)?;
    let compute = args.backend.open(|text| eprintln!("{text}"))?;
    let headed: Headed<Preset> = args.model.open(args.quiet)?;
    let network = headed.segmenter(args.size, (&compute, 1))?;
    let classes = network.classes();
    if let Some(expected) = layout.classes().filter(|expected| *expected != classes) {
        let text = format!(
            "{}: the network has {classes} classes, the annotations {expected}: expected another \
             --model",
            headed.origin()
        );
        return Err(Usage(text).into());
    }
    let names = scenes::names(classes, headed.timm_config(), args.labels.as_deref())?;
    let share = args.part.share(&paths, || headed.fingerprint())?;
    let run = Run {
        paths: &paths,
        share: share.as_ref(),
        batch: 1,
        one_input: false,
        options: args.decode.options_for_places(),
        input: network.input(),
        device: network.device(),
        out: None,
        format: None,
        quiet: args.quiet,
    };
    let annotations = share_of(share.as_ref(), annotations);
    let counts = PixelCounts::new(classes);
    let mut scored = Scored { args, layout, network, annotations, counts };
    let (outcome, _) = run.through(&mut scored)?;
    let counted = CountedPixels { names, counts: scored.counts, format: args.format };
    args.part.close(&counted, share.as_ref(), outcome, CountedPixels::print)
}

/// The masks of a folder that have the files' names; all that are missing are said together.
fn beside(files: &[PathBuf], folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mask = |file: &PathBuf| {
        with_ending(&folder.join(file.file_stem().unwrap_or(file.as_os_str())), ".png")
    };
    inputs::all_there(folder, files.iter().map(mask).collect())
}

fn invalid(path: &Path, problem: &impl ToString) -> DataError {
    DataError::Invalid { path: path.into(), problems: vec![problem.to_string()] }
}

/// A network, and what it has scored so far.
struct Scored<'a> {
    args: &'a PixelsArgs,
    layout: Layout,
    network: Box<dyn Segmenter>,
    /// The annotation of each picture.
    annotations: Vec<PathBuf>,
    counts: PixelCounts,
}

impl Task for Scored<'_> {
    type Answer = LabelMap;
    type Row = ();

    fn compute(&mut self, batch: &Batch) -> Result<Vec<LabelMap>> {
        self.network.label(&self.network.forward(&batch.pixels, None)?, batch)
    }

    fn show(&mut self, item: Item<'_>, map: LabelMap) -> Result<()> {
        let annotation = &self.annotations[item.place];
        let truth = self.layout.read(annotation, self.args.reduce_zero_label)?;
        Ok(self.counts.add(&map, &truth).map_err(|error| invalid(annotation, &error))?)
    }
}

/// The pixels of each class, in all pictures or in those of a shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CountedPixels {
    names: Vec<String>,
    counts: PixelCounts,
    format: ReportFormat,
}

impl Content for CountedPixels {
    const KIND: &'static str = "counts of pixels";
}

impl CountedPixels {
    /// Of all shards.
    ///
    /// # Errors
    /// Of none; of other classes than the first's.
    pub(crate) fn sum(shards: Vec<Self>) -> Result<Self> {
        let mut shards = shards.into_iter();
        let Some(mut all) = shards.next() else { bail!("no shards") };
        for shard in shards {
            all.counts.add_counts(&shard.counts)?;
        }
        Ok(all)
    }

    pub(crate) fn print(&self) -> Result<()> {
        let Self { names, counts, format } = self;
        let (present, all) = (counts.mean_of_present(), counts.mean_of_all());
        let (accuracy, iou) = (counts.accuracy(), counts.iou());
        let text = match format {
            ReportFormat::Json => {
                let class =
                    |(name, iou): (&String, &Option<f64>)| json!({ "label": name, "iou": iou });
                let classes: Vec<_> = names.iter().zip(&iou).map(class).collect();
                let object = json!({
                    "miou_of_present": present, "miou_of_all": all, "pixel_accuracy": accuracy,
                    "classes": classes,
                });
                format!("{object}\n")
            }
            ReportFormat::Text => {
                let number = |value: Option<f64>| match value {
                    Some(value) => format!("{value:.4}"),
                    None => "-".into(),
                };
                let mut text = format!(
                    "mIoU {}  absent classes are skipped (mmsegmentation)\n\
                 mIoU {all:.4}  absent classes count 0 (ADE20K's benchmark)\n\
                 accuracy of pixels {}\n",
                    number(present),
                    number(accuracy)
                );
                for (name, iou) in names.iter().zip(iou) {
                    let _ = writeln!(text, "{name:24}: {}", number(iou));
                }
                text
            }
        };
        Ok(stdout().write_all(text.as_bytes()).map_err(Output)?)
    }
}
