//! Times a network: `cargo run --release --example bench -- --backend candle,stock`

use anyhow::{Context, Result, bail};
use candle::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use clap::{Parser, ValueEnum};
use cli::exit::{Outcome, Output, report};
use cli::model::{named, parse_size};
use cli::threads;
use ghostnetv2::ops::ConvAlgorithm;
use ghostnetv2::weights::ModelSource;
use ghostnetv2::{Config, GhostNet};
use serde_json::json;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Prints one line of JSON for each backend, batch and number of threads. Backends take turns, so that
what disturbs the machine disturbs all of them; compare medians of one run only.

Examples:
  bench                                     candle with this project's kernels, and stock candle
  bench --backend candle --batch 1,8 --threads 1,2
  bench --which ghostnetv2_160 --size 256x320
";

/// Times a network on the CPU.
#[derive(Parser, Debug)]
#[command(name = "bench", after_help = EXAMPLES)]
struct Args {
    /// The network; its weights are random without --weights, which costs the same time
    #[arg(long, value_name = "NAME", default_value = "ghostnetv2_100")]
    which: String,
    /// A .safetensors file with timm's tensor names
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Side of the input in pixels, or HEIGHTxWIDTH
    #[arg(long, value_name = "N", default_value = "224")]
    size: String,
    /// What to time
    #[arg(long, value_enum, value_delimiter = ',', default_value = "candle,stock")]
    backend: Vec<Backend>,
    /// Pictures at once
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    batch: Vec<u16>,
    /// Threads
    #[arg(
        long,
        overrides_with = "threads",
        value_delimiter = ',',
        default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    threads: Vec<u16>,
    /// Seconds for each line
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// candle with the convolutions of ghostnetv2::ops
    Candle,
    /// the same network from ordinary candle operations only
    CandleOps,
    /// the same network on candle's own conv2d, which loops over groups
    Stock,
}

impl Backend {
    fn algorithm(self) -> ConvAlgorithm {
        match self {
            Self::Candle => ConvAlgorithm::Kernels,
            Self::CandleOps => ConvAlgorithm::CandleOps,
            Self::Stock => ConvAlgorithm::Stock,
        }
    }
}

fn main() -> ExitCode {
    report(run(&Args::parse()))
}

fn run(args: &Args) -> Result<Outcome> {
    let [threads] = args.threads[..] else { return children(args) };
    threads::ensure(threads)?;
    let (height, width) = parse_size(&args.size)?;
    let networks = networks(args)?;
    for &batch in &args.batch {
        let shape = (batch.into(), 3, height as usize, width as usize);
        let input = Tensor::rand(-1f32, 1f32, shape, &Device::Cpu)?;
        let runs = in_turn(&networks, &input, Duration::from_secs_f64(args.seconds))?;
        for ((backend, net), times) in networks.iter().zip(runs) {
            print(*backend, net, &input, threads, times)?;
        }
    }
    Ok(Outcome::Complete)
}

/// One process for each number of threads: it can't be changed within one.
fn children(args: &Args) -> Result<Outcome> {
    for &threads in &args.threads {
        // The last value of a repeated flag counts.
        let mut child = threads::this_program(threads)?;
        child.args(std::env::args_os().skip(1)).args(["--threads", &threads.to_string()]);
        let status = child.status().context("can't start this program again")?;
        if !status.success() {
            bail!("with {threads} threads: {status}")
        }
    }
    Ok(Outcome::Complete)
}

/// The same network once for each backend.
fn networks(args: &Args) -> Result<Vec<(Backend, GhostNet)>> {
    let config = named(&args.which)?;
    let random = VarMap::new();
    let checkpoint = match &args.weights {
        Some(file) => Some(ModelSource::path(file.clone())?.open_local()?),
        None => {
            GhostNet::new(
                &config,
                1000,
                VarBuilder::from_varmap(&random, DType::F32, &Device::Cpu),
            )?;
            None
        }
    };
    let build = |&backend: &Backend| {
        let config = Config { convolution: backend.algorithm(), ..config.clone() };
        let mut net = match &checkpoint {
            Some(checkpoint) => checkpoint.ghostnet(Some(&config), &Device::Cpu)?,
            None => GhostNet::new(&config, 1000, constants(&random))?,
        };
        net.fuse()?;
        Ok((backend, net))
    };
    args.backend.iter().map(build).collect()
}

/// Variables as constants: candle would keep a graph for gradients otherwise.
fn constants(variables: &VarMap) -> VarBuilder<'static> {
    let data = variables.data().lock().unwrap_or_else(PoisonError::into_inner);
    let tensors = data.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect();
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

/// Times each network in turn, until each has had its seconds; at least three times.
fn in_turn(
    networks: &[(Backend, GhostNet)],
    input: &Tensor,
    seconds: Duration,
) -> Result<Vec<Vec<Duration>>> {
    let mut runs = vec![Vec::new(); networks.len()];
    let wanted = |times: &[Duration]| times.len() < 4 || times.iter().sum::<Duration>() < seconds;
    while runs.iter().any(|times| wanted(times)) {
        for ((_, net), times) in networks.iter().zip(&mut runs) {
            if wanted(times) {
                let start = Instant::now();
                net.forward(input)?;
                times.push(start.elapsed());
            }
        }
    }
    Ok(runs)
}

fn print(
    backend: Backend,
    net: &GhostNet,
    input: &Tensor,
    threads: u16,
    mut times: Vec<Duration>,
) -> Result<()> {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let first = ms(times.remove(0)); // not counted: it faults in weights and pages
    times.sort();
    let median = ms(times[times.len() / 2]);
    let (batch, _, height, width) = input.dims4()?;
    let line = json!({
        "model": net.config().name(),
        "backend": backend.to_possible_value().map(|v| v.get_name().to_owned()),
        "precision": format!("{:?}", DType::F32).to_lowercase(),
        "threads": threads, "batch": batch, "size": [height, width],
        "median_ms": median, "min_ms": ms(times[0]), "runs": times.len(),
        "images_per_s": 1000.0 * batch as f64 / median, "first_result_ms": first,
    });
    Ok(writeln!(stdout(), "{line}").map_err(Output)?)
}
