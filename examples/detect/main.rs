//! Finds objects in pictures: `cargo run --release --example detect -- street.jpg --out boxes`

mod coco;
mod record;
mod session;

use anyhow::Result;
use clap::Parser;
use cli::compute::{Compute, FloatArgs};
use cli::detectors::{Detector, Preset, Wanted};
use cli::draw::{self, Pen};
use cli::exit::{CODES, Outcome, report};
use cli::fitted::draw_each;
use cli::headed::{Headed, HeadedArgs};
use cli::inputs;
use cli::objects::Objects;
use cli::output::Format;
use cli::pictures::PictureArgs;
use cli::shard::{ShardArgs, Share};
use cli::spent::Spent;
use coco::{Annotated, Results};
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  detect street.jpg --out boxes                     a picture with boxes, in the folder boxes
  detect --model my-detector/ photos/ 'scans/*.png' files, folders, patterns
  detect --weights retinanet.safetensors --preset torchvision street.jpg
  detect --weights yolov3.safetensors --preset yolov3 street.jpg
  detect --classes person,dog --format jsonl photos/ > photos.jsonl
  detect --conf 0.001 --save-coco results.json val2017/
  detect --format jsonl --shard 2/4 photos/ > photos.2.jsonl
  detect --draw-annotations instances_val2017.json --out truth val2017/
";

/// Finds objects in pictures.
#[derive(Parser, Debug)]
#[command(name = "detect", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{CODES}"))]
struct Args {
    /// Files, folders (searched in depth) or patterns [default: the sample pictures]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    model: HeadedArgs,
    /// Names of the classes, one a line [default: those of the model, else COCO's]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The lowest score that is shown
    #[arg(long, value_name = "SCORE", default_value_t = 0.3, value_parser = inputs::share::<f64>)]
    conf: f64,
    /// Of two objects of a class that overlap by more, the better one is shown
    #[arg(long, value_name = "OVERLAP", default_value_t = 0.5, value_parser = inputs::share::<f64>)]
    iou: f64,
    /// How many objects are shown of a picture, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    max_det: u16,
    /// Only these, by their names or their numbers in the annotations
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    classes: Vec<String>,
    /// What the shorter side of a picture becomes, or the square that it is fitted into, in pixels
    /// [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Pictures that go through the network together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    #[command(flatten)]
    backend: FloatArgs,
    /// How to write the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    decode: PictureArgs,
    /// Write the pictures with boxes into this folder, as PNG
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A font for what is written on them
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    /// Write the results as COCO's evaluation reads them; image_id is the digits at the end of a
    /// picture's name, or its place where these are missing or not unique; with --shard, write them
    /// for `evaluate merge`, which makes that of them
    #[arg(long, value_name = "FILE")]
    save_coco: Option<PathBuf>,
    /// Draw the boxes of these annotations in COCO's form, and detect nothing
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with_all = ["tensor", "dump", "save_coco", "shard"])]
    draw_annotations: Option<PathBuf>,
    /// Detect in a ready tensor instead: `input`, [B, 3, H, W], of a safetensors file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pictures", "out", "save_coco", "shard"])]
    tensor: Option<PathBuf>,
    /// Write input, logits.N and deltas.N of each level, or raw.N of a YOLOv3's, to a safetensors
    /// file
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    dump: Option<PathBuf>,
    /// Say how long loading, reading, computing, post-processing and drawing took, and the kinds of
    /// operation of a plan
    #[arg(long)]
    timing: bool,
    /// Only results and errors
    #[arg(long, short)]
    quiet: bool,
}

fn main() -> ExitCode {
    report(run(&Args::parse()))
}

fn run(args: &Args) -> Result<Outcome> {
    let start = Instant::now();
    args.shard.check(args.format)?;
    let files = match args.tensor {
        Some(_) => Vec::new(),
        None => inputs::of_places(&args.pictures, args.dump.as_deref(), args.batch)?,
    };
    let pen = Pen::new(args.font.as_deref())?;
    args.out.as_deref().map_or(Ok(()), cli::files::make_folder)?;
    args.save_coco.as_deref().map(cli::files::folder_of).transpose()?;
    if let (Some(file), Some(out)) = (&args.draw_annotations, &args.out) {
        let annotated = Annotated::read(file)?;
        return draw_each(&files, &args.decode.options_for_places(), out, |path, picture| {
            draw::png(&pen.boxes(picture, &annotated.marks(path, picture)?)?)
        });
    }
    let compute = args.backend.open(|text| args.note(text))?;
    let headed: Headed<Preset> = args.model.open(args.quiet)?;
    let share = Share::of_run::<Args>(args.shard.shard, &files, || headed.fingerprint())?;
    let (detector, objects) = detector(args, &headed, &compute)?;
    let wanted = objects.named(&args.classes)?;
    let results = args.save_coco.as_deref();
    let results = results.map(|file| Results::new(file, &files, share.as_ref()));
    let mut spent = Spent::new(args.timing);
    spent.since("loading", start);
    let session = Session { args, detector, objects, wanted, pen, results, spent };
    match &args.tensor {
        Some(path) => session.tensor(path),
        None => session.pictures(&files, share.as_ref()),
    }
}

/// The network that the arguments ask for, and the names of its classes.
fn detector(
    args: &Args,
    headed: &Headed<Preset>,
    compute: &Compute,
) -> Result<(Box<dyn Detector>, Objects)> {
    let wanted = Wanted {
        score: args.conf as f32,
        overlap: args.iou,
        // Where only some classes are wanted, the others may not take their places.
        most: if args.classes.is_empty() { args.max_det.into() } else { usize::MAX },
    };
    let detector = headed.detector(args.size, Some(wanted), (compute, args.batch.into()))?;
    let classes = detector.classes();
    let objects = Objects::new(classes, headed.timm_config(), args.labels.as_deref())?;
    let (name, preset, network) = (headed.backbone.name(), headed.preset, headed.preset.network());
    let origin = headed.origin();
    args.note(&format!("model built: {network} ({preset}) on {name}, {classes} classes, {origin}"));
    Ok((detector, objects))
}

impl Args {
    fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}
