//! Times detectors and Semantic FPNs as plans: `cargo bench -p heads --bench places [-- THREADS]`.
//!
//! Prints milliseconds, the median and the least, of each preset's network from pixels to raw
//! outputs, and of what makes detections or labels of these on one thread. Weights are drawn, which
//! costs the network the same time; but post-processing depends on how much is found, so its
//! logits are drawn too: a scene in which one anchor of 300 is above the threshold in some class,
//! and one in which all candidates of all levels are.

use std::process::ExitCode;
use std::time::Instant;

use candle::{DType, Device, Result, Tensor};
use ghostnetv2::{Config, PlanOptions};
use heads::Seeded;
use heads::placement::Batch;
use heads::retinanet::{self, RawOutputs, RetinaNet, RetinaNetConfig};
use heads::segmentation::{self, SemanticFpn};

const REPETITIONS: usize = 15;

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let threads = match wanted.map(|text| text.parse()) {
        None => 1,
        Some(Ok(threads)) if threads > 0 => threads,
        Some(_) => {
            eprintln!("expected a number of threads");
            return ExitCode::from(2);
        }
    };
    match report(threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn report(threads: usize) -> Result<()> {
    let options = PlanOptions::default().with_threads(threads);
    println!("{:44} {:>9} {:>9}", format!("{threads} threads, 1 picture"), "ms", "least");
    for (preset, side) in [
        (retinanet::Preset::Torchvision, 640),
        (retinanet::Preset::TorchvisionV2, 640),
        (retinanet::Preset::Mmdet, 640),
        (retinanet::Preset::Lite, 320),
    ] {
        let net = RetinaNet::ghostnet(&preset.config(), &Config::v2(1.0), drawn())?;
        let plan = net.plan(&[1, 3, side, side], &options)?;
        let x = input(side)?;
        time(&format!("retinanet {preset}, {side} pixels"), || plan.forward(&x).map(drop))?;
    }
    for (preset, side) in [
        (segmentation::Preset::Mmseg, 512),
        (segmentation::Preset::Smp, 512),
        (segmentation::Preset::Lite, 512),
    ] {
        let net = SemanticFpn::ghostnet(&preset.config(), &Config::v2(1.0), drawn())?;
        let plan = net.plan(&[1, 3, side, side], &options)?;
        let x = input(side)?;
        time(&format!("semantic fpn {preset}, {side} pixels"), || plan.forward(&x).map(drop))?;
        let (logits, batch) = (plan.forward(&x)?, Batch::of_inputs(x)?);
        time("  labels of it, one thread", || plan.config().label_maps(&logits, &batch).map(drop))?;
    }
    let config = RetinaNetConfig::mmdet();
    for (scene, prior) in [("sparse", -8.8), ("crowded", -1.0)] {
        let (raw, batch) = (raw_outputs(&config, 640, prior)?, Batch::of_inputs(input(640)?)?);
        let found = config.detections(&raw, &batch)?[0].len();
        let what = format!("detections at 640, 80 classes, {scene}: {found}");
        time(&what, || config.detections(&raw, &batch).map(drop))?;
    }
    Ok(())
}

fn drawn() -> candle_nn::VarBuilder<'static> {
    Seeded::new(1).var_builder(DType::F32, &Device::Cpu)
}

fn input(side: usize) -> Result<Tensor> {
    normal(&[1, 3, side, side], "input", (0.0, 1.0))
}

/// Raw outputs for a picture of 80 classes; logits vary by 1.5 around `prior`.
fn raw_outputs(config: &RetinaNetConfig, side: usize, prior: f64) -> Result<RawOutputs> {
    let map = |what: &str, channels: usize, level: usize, (mean, deviation): (f64, f64)| {
        let cells = side.div_ceil(8 << level);
        normal(&[1, channels, cells, cells], &format!("{what}.{level}"), (mean, deviation))
    };
    let anchors = config.anchors.per_cell()?;
    let levels = 0..config.anchors.sizes.len();
    let logits = levels.clone().map(|i| map("logits", anchors * config.classes, i, (prior, 1.5)));
    let deltas = levels.map(|i| map("deltas", anchors * 4, i, (0.0, 0.3)));
    Ok(RawOutputs {
        logits: logits.collect::<Result<_>>()?,
        deltas: deltas.collect::<Result<_>>()?,
    })
}

fn normal(shape: &[usize], name: &str, (mean, stdev): (f64, f64)) -> Result<Tensor> {
    drawn().get_with_hints(shape, name, candle_nn::Init::Randn { mean, stdev })
}

/// Median and least time of a call, after one that is not counted.
fn time(what: &str, mut run: impl FnMut() -> Result<()>) -> Result<()> {
    run()?;
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        run()?;
        times.push(1000.0 * start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!("{what:44} {:9.2} {:9.2}", times[REPETITIONS / 2], times[0]);
    Ok(())
}
