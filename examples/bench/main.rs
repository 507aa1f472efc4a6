//! Times a network: `cargo run --release --example bench -- --batch 1,8 --threads 1,2`

mod headed;
mod int8;
mod memory;
mod network;
mod random;
mod row;
mod turns;
mod which;
mod worker;

use anyhow::Result;
use clap::Parser;
use cli::backend::Precision;
use cli::exit::{CODES, Outcome, Usage, report};
use cli::model::parse_size;
use row::{Backend, Row, name};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use which::Which;

const EXAMPLES: &str = "\
Examples:
  bench                                        the plan, batch 1, on one thread
  bench --batch 1,8 --threads 1,2
  bench --backend plan,candle,stock            in turn, for a comparison
  bench --backend cuda,cuda-graph,cuda-candle --batch 1,8,64,256 --precision f32,f16,bf16
  bench --which ghostnetv2_160 --size 256x320 --timing
  bench --which retinanet-lite --size 320 --threads 2 --postprocess
  bench --weights FOLDER --precision f32,bf16,int8 --calibrate photos/ --top1 imagenet/val
";

const ABOUT_ROWS: &str = "\
Prints one line of JSON for each row: model, backend, precision, isa (the instruction set of the
kernels), threads, batch, size (height, width), median_ms, min_ms, runs, images_per_s, peak_rss_mb,
first_result_ms; with --top1 also top1, top5 and top1_f32, in per cent.

Each row is timed in a process of its own. Rows of the same batch and threads take turns, so that
what disturbs the machine disturbs all of them; compare medians of one run only.

A plan is called as an application would that holds its memory: raw values in, raw values out, into
buffers that are there. candle is called with a tensor and makes a new one.

Networks with heads are retinanet-PRESET, yolov3, yolov3-320, semantic-fpn-PRESET, deeplabv3 and
deeplabv3-d16, on ghostnetv2_100. Their raw outputs are timed; with --postprocess all that it takes to detections or labels, called with a tensor.

peak_rss_mb is the most memory that the row's process ever had resident (Linux; null elsewhere).
cuda launches a list of kernels on the first GPU, cuda-graph all of them at once; cuda-candle is candle
there. The pictures are on the GPU before; the time has the copy of the scores back in it.

first_result_ms is from the start of its main function over loading the weights (or making random
ones) to the first result.

The ranges that int8 needs are taken from --calibrate, else from the random input that is timed, which
is as good for the time; that is done before the rows start.
";

/// Times a network.
#[derive(Parser, Debug)]
#[command(name = "bench", after_help = EXAMPLES, after_long_help = format!("{ABOUT_ROWS}\n{EXAMPLES}\n{CODES}"))]
struct Args {
    /// The network, such as ghostnetv2_130, retinanet-lite or semantic-fpn-smp; its weights are
    /// random without --weights, which costs the same time
    #[arg(long, value_name = "NAME", default_value = "ghostnetv2_100")]
    which: String,
    /// A .safetensors file with timm's tensor names, or a folder with one
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Side of the input in pixels, or HEIGHTxWIDTH
    #[arg(long, value_name = "N", default_value = "224")]
    size: String,
    /// Time this input, the tensor `input` [B, 3, H, W] of a safetensors file whose shape is what
    /// --batch and --size say, and not random numbers
    #[arg(long, value_name = "FILE")]
    tensor: Option<PathBuf>,
    /// Pictures at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    batch: Vec<u16>,
    /// Threads
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Vec<u16>,
    /// What computes
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plan")]
    backend: Vec<Backend>,
    /// Of large weights and what they are multiplied with; on a GPU of all maps; candle computes in
    /// f32
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32")]
    precision: Vec<Precision>,
    /// Ranges for int8: a folder of pictures, or a file of classify's --save-calibration
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Say how often each precision is right on these pictures, at the model's own size: a folder
    /// per class or a list, as `evaluate imagenet` reads them
    #[arg(long, value_name = "DIR", requires = "weights")]
    top1: Option<PathBuf>,
    /// Of networks with heads, time what makes detections or labels of raw outputs too
    #[arg(long)]
    postprocess: bool,
    /// Seconds for each row
    #[arg(long, default_value = "3", value_parser = parse_seconds)]
    seconds: Duration,
    /// Write to stderr where the time of each plan goes
    #[arg(long)]
    timing: bool,
    /// Write the steps of each plan to stderr
    #[arg(long)]
    show_plan: bool,
    /// Be the process of a row: the first of each list
    #[arg(long, hide = true)]
    worker: bool,
}

fn main() -> ExitCode {
    let start = Instant::now();
    report(run(&Args::parse(), start))
}

fn run(args: &Args, start: Instant) -> Result<Outcome> {
    parse_size(&args.size)?;
    let mut rows = rows(args)?;
    if let Some(row) = rows.first_mut().filter(|_| args.worker) {
        row.calibration = args.calibrate.clone();
        worker::serve(row, start)?;
        return Ok(Outcome::Complete);
    }
    // Kept until the rows have read it.
    let _ranges = int8::calibrate(&mut rows, args.calibrate.as_deref())?;
    if let Some(pictures) = &args.top1 {
        int8::score(&mut rows, pictures, args.calibrate.is_some())?;
    }
    turns::take(&rows, args.seconds)?;
    Ok(Outcome::Complete)
}

/// All combinations, those of the same batch and threads together.
fn rows(args: &Args) -> Result<Vec<Row>> {
    let precisions = |backend: Backend| args.precision.iter().filter(move |&&p| backend.knows(p));
    if let Some(backend) = args.backend.iter().find(|&&b| precisions(b).next().is_none()) {
        let backend = name(*backend);
        let text = format!("--backend {backend}: it knows none of these: add f32 to --precision");
        return Err(Usage(text).into());
    }
    if let Some(backend) = args.backend.iter().find(|b| b.is_cuda() && !cfg!(feature = "cuda")) {
        let backend = name(*backend);
        let text = format!(
            "--backend {backend}: this program was built without cuda: run it with --features cuda"
        );
        return Err(Usage(text).into());
    }
    let which = Which::parse(&args.which)?;
    check(args, &which)?;
    let mut rows = Vec::new();
    for &threads in &args.threads {
        for &batch in &args.batch {
            for &backend in &args.backend {
                rows.extend(precisions(backend).map(|&precision| Row {
                    which: which.clone(),
                    weights: args.weights.clone(),
                    size: args.size.clone(),
                    tensor: args.tensor.clone(),
                    backend,
                    precision,
                    threads,
                    batch,
                    postprocess: args.postprocess,
                    timing: args.timing,
                    show_plan: args.show_plan,
                    calibration: None,
                    score: None,
                }));
            }
        }
    }
    Ok(rows)
}

/// Refuses what a network with or without a head does not know.
fn check(args: &Args, which: &Which) -> Result<()> {
    let name = which.name();
    let refused = |text: String| Err(Usage(text).into());
    if !which.has_head() {
        return match args.postprocess {
            true => refused(format!("--postprocess: {name} has no head for places: leave it out")),
            false => Ok(()),
        };
    }
    if args.precision.contains(&Precision::Int8) {
        return refused(format!("--precision int8: {name} knows f32 and bf16 only"));
    }
    if args.top1.is_some() || args.calibrate.is_some() {
        return refused(format!("--top1 and --calibrate: {name} is no classifier: leave them out"));
    }
    let known = [Backend::Plan, Backend::Candle];
    match args.backend.iter().find(|backend| !known.contains(backend)) {
        Some(backend) => refused(format!(
            "--backend {}: {name} is computed by plan and candle only",
            row::name(*backend)
        )),
        None => Ok(()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.ok_or_else(|| "expected a number of seconds".into())
}
