//! Classifies pictures with a GhostNet: `cargo run --release --example classify -- cat.jpg`

use anyhow::{Result, bail};
use candle::{D, Tensor};
use clap::{Parser, ValueEnum};
use cli::backend::{BackendArgs, Net};
use cli::exit::{CODES, Outcome, Usage, report};
use cli::labels::Labels;
use cli::model::{Model, ModelArgs};
use cli::output::{Format, Writer};
use cli::pictures::{Batch, PictureArgs, for_each_batch, said};
use cli::prediction::{Prediction, Predictions};
use cli::shard::{ShardArgs, Share, share_of};
use cli::{inputs, progress, tensors, timing};
use ghostnetv2::{Level, Taps, Timings};
use heads::eval::top_k::best;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  classify                                    the sample pictures, with the built-in model
  classify cat.jpg holidays/ 'scans/*.png'    files, folders, patterns
  classify --model ghostnetv2_100 cat.jpg     ImageNet's 1000 classes, from the Hugging Face hub
  classify --weights my.safetensors --which ghostnetv2_130 --labels my.txt cat.jpg
  classify --format jsonl --top-k 1 photos/ > photos.jsonl
  classify --format jsonl --shard 2/4 photos/ > photos.2.jsonl
";

/// Says what is on pictures.
#[derive(Parser, Debug)]
#[command(name = "classify", after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n{CODES}"))]
struct Args {
    /// Files, folders (searched in depth) or patterns [default: the sample pictures]
    pictures: Vec<PathBuf>,
    /// A picture; the same as naming it without this
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Names of the classes, one a line [default: those of the model]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How many classes to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    top_k: u16,
    /// Pictures that go through the network together
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    #[command(flatten)]
    backend: BackendArgs,
    /// How to write the results
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    decode: PictureArgs,
    /// Classify a ready tensor instead: `input`, [B, 3, H, W], of a safetensors file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pictures", "image", "shard"])]
    tensor: Option<PathBuf>,
    /// Write input, pyramid levels c1 to c5, and logits to a safetensors file; computes on candle
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    dump: Option<PathBuf>,
    /// Which maps the levels of --dump are: timm's features_only, or the ends of the stages
    #[arg(long, value_enum, default_value_t = TapsArg::Timm)]
    taps: TapsArg,
    /// Say how long loading, reading and computing took, and each kind of operation of a plan
    #[arg(long)]
    timing: bool,
    /// Only results and errors
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TapsArg {
    Timm,
    StageEnds,
}

fn main() -> ExitCode {
    report(run(&Args::parse()))
}

fn run(args: &Args) -> Result<Outcome> {
    let start = Instant::now();
    let note = |text: &str| {
        if !args.quiet {
            eprintln!("{text}");
        }
    };
    args.shard.check(args.format)?;
    let files = match args.tensor {
        Some(_) => Vec::new(),
        None => files(args)?,
    };
    let only_candle = args.dump.as_ref().map(|_| "--dump").or(args.model.only_candle());
    let backend = args.backend.open(only_candle, note)?;
    let mut model = args.model.open(&backend, args.batch.into(), args.quiet)?;
    if let Some(file) = &args.labels {
        model.labels = Labels::of_file(file, model.classes)?;
    }
    let classes = model.classes;
    note(&format!("model built: {}, {classes} classes, {}", model.config.name(), model.origin));
    let loading = start.elapsed();

    let mut session = Session { args, model: &model, timing: Timing::new(args.timing) };
    let outcome = match &args.tensor {
        Some(path) => {
            let (channels, device) = (model.config.in_channels, model.net.device());
            session.tensor(path, &tensors::read_input(path, channels, device)?)?
        }
        None => session.pictures(&files)?,
    };
    if args.timing {
        session.timing.print(loading);
    }
    Ok(outcome)
}

fn files(args: &Args) -> Result<Vec<PathBuf>> {
    let mut named = args.pictures.clone();
    named.extend(args.image.iter().cloned());
    if named.is_empty() {
        named = vec![inputs::samples()];
    }
    let files = inputs::expand(&named)?;
    if args.dump.is_some() && files.len() > usize::from(args.batch) {
        let text = format!("--dump: {} pictures: expected one batch: raise --batch", files.len());
        return Err(Usage(text).into());
    }
    Ok(files)
}

struct Session<'a> {
    args: &'a Args,
    model: &'a Model,
    timing: Timing,
}

impl Session<'_> {
    fn pictures(&mut self, files: &[PathBuf]) -> Result<Outcome> {
        let (args, device) = (self.args, self.model.net.device());
        let weights = || args.model.fingerprint(args.quiet);
        let share = Share::of_run::<Args>(args.shard.shard, files, weights)?;
        let mut writer = Writer::new(args.format, files.len() > 1, share.as_ref())?;
        let files = &share_of(share.as_ref(), files.to_vec());
        let bar = progress::items(files.len(), "pictures", args.quiet);
        let mut failed = 0;
        let (options, preprocess) = (args.decode.options(), &self.model.preprocess);
        for_each_batch(files, args.batch.into(), &options, preprocess, device, |batch| {
            let mut scores = match &batch.input {
                Some(input) => self.scores(input)?,
                None => Vec::new(),
            }
            .into_iter();
            self.timing.read(&batch);
            bar.suspend(|| -> Result<()> {
                for (path, result) in &batch.files {
                    match result {
                        Ok(()) => writer.record(path, &self.best(scores.next())?)?,
                        Err(error) => {
                            failed += 1;
                            let error = said(error);
                            eprintln!("error: {error}");
                            writer.failure(path, &error)?;
                        }
                    }
                }
                Ok(())
            })?;
            bar.inc(batch.files.len() as u64);
            Ok(())
        })?;
        bar.finish_and_clear();
        writer.finish()?;
        if failed > 0 {
            eprintln!("{failed} of {} pictures could not be read", files.len());
            return Ok(Outcome::SomeFailed);
        }
        Ok(Outcome::Complete)
    }

    fn tensor(&mut self, path: &Path, input: &Tensor) -> Result<Outcome> {
        let scores = self.scores(input)?;
        let mut writer = Writer::new(self.args.format, scores.len() > 1, None)?;
        for (i, scores) in scores.into_iter().enumerate() {
            let name = format!("{}[{i}]", path.display());
            writer.record(Path::new(&name), &self.best(Some(scores))?)?;
        }
        writer.finish()?;
        Ok(Outcome::Complete)
    }

    /// Softmax of each picture; also writes the dump, whose tensors pass by here.
    fn scores(&mut self, input: &Tensor) -> Result<Vec<Vec<f32>>> {
        let start = Instant::now();
        let logits = match &self.args.dump {
            None => self.model.net.forward(input, self.timing.steps.as_mut())?,
            Some(path) => self.dump(path, input)?,
        };
        // candle has no softmax of nothing.
        if input.dim(0)? == 0 {
            return Ok(Vec::new());
        }
        let scores = softmax(&logits)?.to_vec2()?;
        self.timing.computing += start.elapsed();
        self.timing.pictures += scores.len();
        Ok(scores)
    }

    fn dump(&self, path: &Path, input: &Tensor) -> Result<Tensor> {
        let taps = match self.args.taps {
            TapsArg::Timm => Taps::Timm,
            TapsArg::StageEnds => Taps::StageEnds,
        };
        let Net::Candle(net, _) = &self.model.net else { bail!("--dump without candle") };
        let (maps, logits) = net.forward_with_features(input, taps)?;
        let mut named =
            vec![("input".to_owned(), input.clone()), ("logits".to_owned(), logits.clone())];
        named
            .extend(Level::ALL.iter().zip(maps).map(|(level, map)| (level.name().to_owned(), map)));
        tensors::write(path, named)?;
        Ok(logits)
    }

    fn best(&self, scores: Option<Vec<f32>>) -> Result<Predictions> {
        let Some(scores) = scores else { bail!("a picture without scores") };
        let predict = |index: usize| Prediction {
            index,
            label: self.model.labels.name(index).to_owned(),
            probability: scores[index],
        };
        let best = best(&scores, self.args.top_k.into());
        Ok(Predictions(best.into_iter().map(predict).collect()))
    }
}

fn softmax(logits: &Tensor) -> candle::Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let powers = shifted.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

#[derive(Debug, Default)]
struct Timing {
    reading: Duration,
    computing: Duration,
    pictures: usize,
    /// Of a plan, where they are wanted: timing them costs a little.
    steps: Option<Timings>,
}

impl Timing {
    fn new(steps: bool) -> Self {
        Self { steps: steps.then(Timings::default), ..Self::default() }
    }

    fn read(&mut self, batch: &Batch) {
        self.reading += batch.elapsed;
    }

    fn print(&self, loading: Duration) {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let each = |d: Duration| ms(d) / self.pictures.max(1) as f64;
        eprintln!("loading    {:9.2} ms", ms(loading));
        eprintln!("reading    {:9.2} ms, {:.2} a picture", ms(self.reading), each(self.reading));
        eprintln!(
            "computing  {:9.2} ms, {:.2} a picture",
            ms(self.computing),
            each(self.computing)
        );
        eprint!("{}", self.steps.as_ref().map_or(String::new(), timing::table));
    }
}
