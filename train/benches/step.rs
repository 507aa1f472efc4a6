//! Steps of a classifier in training, on random pictures: forward, backward, AdamW.
//!
//! `cargo bench -p train --bench step -- [THREADS] [BATCH] [SIDE] [STEPS]` prints a line of JSON;
//! `scripts/bench_training.py` runs it beside PyTorch.

use candle::{DType, Device, Result, Tensor};
use ghostnetv2::Config;
use heads::Seeded;
use std::time::Instant;
use train::classify::{Classifier, cross_entropy};
use train::optim::{AdamW, Groups, Optimizer, Rule};
use train::{Network, Variables};

const CLASSES: usize = 200;

fn main() -> Result<()> {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let number = |place: usize, usual| numbers.get(place).copied().unwrap_or(usual);
    let (threads, batch, side, steps) = (number(0, 2), number(1, 64), number(2, 64), number(3, 12));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(candle::Error::wrap)?.install(|| run(threads, batch, side, steps))
}

fn run(threads: usize, batch: usize, side: usize, steps: usize) -> Result<()> {
    let device = Device::Cpu;
    let start = Seeded::new(1).var_builder(DType::F32, &device);
    let variables = Variables::new(start);
    let config = Config { dropout: 0.2, ..Config::v2(1.0) };
    let mut network = Classifier::new(config, CLASSES, false).network(&variables)?;
    let groups = Groups { weight_decay: 0.05, decay_vectors: false, factors: Vec::new() };
    let mut optimizer = Optimizer::new(Rule::AdamW(AdamW::default()), groups);
    let images = Tensor::randn(0f32, 1.0, (batch, 3, side, side), &device)?;
    let own = |i: usize| (0..CLASSES).map(move |class| f32::from(u8::from(class == i % CLASSES)));
    let targets: Vec<f32> = (0..batch).flat_map(own).collect();
    let targets = Tensor::from_vec(targets, (batch, CLASSES), &device)?;
    let mut times = Vec::with_capacity(steps);
    // The first steps warm the memory up.
    for step in 0..steps + 2 {
        let start = Instant::now();
        let found = network
            .step(&images, step as u64, &mut |outputs| cross_entropy(&outputs[0], &targets))?;
        optimizer.step(network.parameters(), &found.gradients, 1e-3, 1.0)?;
        if step >= 2 {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    let images_per_s = |seconds: f64| batch as f64 / seconds;
    println!(
        "{{\"threads\": {threads}, \"batch\": {batch}, \"side\": {side}, \"images_per_s\": {:.1}, \
         \"best_images_per_s\": {:.1}, \"peak_rss_mb\": {:.0}}}",
        images_per_s(times[times.len() / 2]),
        images_per_s(times[0]),
        peak_mb().unwrap_or(f64::NAN)
    );
    Ok(())
}

/// The most memory that this process had, where the system tells.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
