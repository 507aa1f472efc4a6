//! Tells the class of every pixel: `cargo run --release --example segment -- street.jpg --out areas`

mod record;
mod session;

use anyhow::{Context, Result};
use clap::Parser;
use cli::compute::{Compute, FloatArgs};
use cli::draw::{self, Legend, Pen};
use cli::exit::{CODES, Outcome, Usage, report};
use cli::fitted::draw_each;
use cli::headed::{Headed, HeadedArgs};
use cli::model::parse_size;
use cli::output::Format;
use cli::pictures::PictureArgs;
use cli::segmenters::{Preset, Segmenter};
use cli::shard::{ShardArgs, Share};
use cli::spent::Spent;
use cli::{inputs, masks, scenes};
use heads::data::mask;
use heads::segmentation::Sliding;
use record::Areas;
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  segment street.jpg --out areas                a mask and a coloured picture, in the folder areas
  segment --model my-network/ photos/           the classes of each picture and their shares
  segment --weights fpn.safetensors --preset mmseg --window 512 --step 341 street.jpg
  segment --format jsonl photos/ > photos.jsonl
  segment --format jsonl --shard 2/4 photos/ > photos.2.jsonl
  segment --draw-annotations annotations/ --reduce-zero-label --out truth images/
";

/// Tells the class of every pixel.
#[derive(Parser, Debug)]
#[command(name = "segment", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{CODES}"))]
struct Args {
    /// Files, folders (searched in depth) or patterns [default: the sample pictures]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    model: HeadedArgs,
    /// Names of the classes, one a line [default: those of the model, else ADE20K's of 150 and
    /// CamVid's of 11]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// What the shorter side of a picture becomes, in pixels [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Let windows of this size, N or HEIGHTxWIDTH, slide over the picture
    #[arg(long, value_name = "N")]
    window: Option<String>,
    /// How far windows are moved, N or HEIGHTxWIDTH [default: two thirds of a window]
    #[arg(long, value_name = "N", requires = "window")]
    step: Option<String>,
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
    /// Write into this folder NAME.png, whose values are the classes, and NAME.overlay.png, the
    /// picture in colours with a legend below
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How much the colours cover, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = inputs::share::<f32>)]
    opacity: f32,
    /// A font for the legend
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
    /// Draw the masks of this folder, PNG files with the pictures' names, and compute nothing
    #[arg(long, value_name = "DIR", requires = "out", conflicts_with_all = ["tensor", "dump", "shard"])]
    draw_annotations: Option<PathBuf>,
    /// In these masks 0 is no class and 1 the first, as in ADE20K
    #[arg(long, requires = "draw_annotations")]
    reduce_zero_label: bool,
    /// Segment a ready tensor instead: `input`, [B, 3, H, W], of a safetensors file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pictures", "out", "shard"])]
    tensor: Option<PathBuf>,
    /// Write input and logits, at a quarter of the input's size or the output stride of a DeepLabV3,
    /// to a safetensors file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["window", "shard"])]
    dump: Option<PathBuf>,
    /// Say how long loading, reading, computing and drawing took, and the kinds of operation of a plan
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
    let sliding = sliding(args)?;
    let pen = Pen::new(args.font.as_deref())?;
    args.out.as_deref().map_or(Ok(()), cli::files::make_folder)?;
    if let (Some(folder), Some(out)) = (&args.draw_annotations, &args.out) {
        let names = scenes::names(150, None, args.labels.as_deref())?;
        return draw_each(&files, &args.decode.options_for_places(), out, |path, picture| {
            let name = path.file_stem().context("a picture without a name")?;
            let mask = cli::files::with_ending(&folder.join(name), ".png");
            let map = mask::read(&mask, args.reduce_zero_label)?;
            let size = (picture.height() as usize, picture.width() as usize);
            masks::check_size(&mask, &map, size)?;
            let legend = Legend(Areas::new(&map, &names).legend());
            draw::png(&pen.areas(picture, &map, args.opacity, &legend)?)
        });
    }
    let compute = args.backend.open(|text| args.note(text))?;
    let headed: Headed<Preset> = args.model.open(args.quiet)?;
    let share = Share::of_run::<Args>(args.shard.shard, &files, || headed.fingerprint())?;
    let (network, names) = network(args, &headed, &compute)?;
    let mut spent = Spent::new(args.timing);
    spent.since("loading", start);
    let session = Session { args, network, names, sliding, pen, spent };
    match &args.tensor {
        Some(path) => session.tensor(path),
        None => session.pictures(&files, share.as_ref()),
    }
}

fn sliding(args: &Args) -> Result<Option<Sliding>> {
    let Some(window) = &args.window else { return Ok(None) };
    let sides = |text: &str| parse_size(text).map(|(h, w)| (h as usize, w as usize));
    let window = sides(window).context("--window")?;
    let step = match &args.step {
        Some(step) => sides(step).context("--step")?,
        None => (window.0 * 2 / 3, window.1 * 2 / 3),
    };
    if step.0 > window.0 || step.1 > window.1 {
        let text = "--step: expected at most the size of a window: pixels would be left out";
        return Err(Usage(text.into()).into());
    }
    Ok(Some(Sliding { window, step }))
}

/// The network that the arguments ask for, and the names of its classes.
fn network(
    args: &Args,
    headed: &Headed<Preset>,
    compute: &Compute,
) -> Result<(Box<dyn Segmenter>, Vec<String>)> {
    let network = headed.segmenter(args.size, (compute, args.batch.into()))?;
    let classes = network.classes();
    let names = scenes::names(classes, headed.timm_config(), args.labels.as_deref())?;
    let (name, preset) = (headed.backbone.name(), headed.preset);
    let (kind, origin) = (preset.network(), headed.origin());
    args.note(&format!("model built: {kind} ({preset}) on {name}, {classes} classes, {origin}"));
    Ok((network, names))
}

impl Args {
    fn note(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }
}
