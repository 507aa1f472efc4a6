//! Times dense 3x3 convolutions as the towers of detectors have them, on maps of a pyramid:
//! `cargo bench -p engine --bench conv [-- ISA]`, with `avx512`, `avx2`, `neon` or `scalar` instead
//! of the best instruction set.
//!
//! A tower is four convolutions from 256 channels to 256, behind pointwise ones that bring a
//! picture to so many. Prints the median of each, with one thread and with two, and the rate at
//! which direct sums would have to be computed to be as fast.

use std::{process::ExitCode, sync::Arc, time::Instant};

use engine::{
    PlanError,
    isa::AnyIsa,
    plan::{Activation, NetworkBuilder, Plan, PlanOptions, Window},
};

const CHANNELS: usize = 256;
const LAYERS: usize = 4;
const SIZES: [usize; 4] = [80, 40, 20, 10];

const WARM_UP: usize = 3;
const REPETITIONS: usize = 21;

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let isa = match &wanted {
        None => Some(AnyIsa::best()),
        Some(name) => AnyIsa::available().find(|isa| isa.name() == name),
    };
    let Some(isa) = isa else {
        eprintln!("this CPU has no instruction set {}", wanted.unwrap_or_default());
        return ExitCode::from(2);
    };
    println!("{}: {LAYERS} convolutions 3x3 of {CHANNELS} channels", isa.name());
    for size in SIZES {
        for threads in [1, 2] {
            match tower(isa, size, threads).and_then(|plan| median(&plan, size)) {
                Ok(seconds) => println!(
                    "{size:>3}x{size:<3} {threads} threads {:>9.3} ms {:>7.0} GFLOP/s",
                    1e3 * seconds,
                    1e-9 * flops(size) / seconds
                ),
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

/// Operations of direct sums.
fn flops(size: usize) -> f64 {
    (2 * LAYERS * size * size * CHANNELS * CHANNELS * 9) as f64
}

fn tower(isa: AnyIsa, size: usize, threads: usize) -> Result<Plan, PlanError> {
    let options = PlanOptions::default().with_isa(isa).with_threads(threads);
    let (weights, bias) = (numbers(CHANNELS * CHANNELS * 9), [0.1; CHANNELS]);
    let relu = Activation::Relu;
    let (mut net, picture) = NetworkBuilder::new(&options, 3);
    let one = Window::same((1, 1), 1);
    let few = net.conv(picture, one, (&weights[..8 * 3], &bias[..8]), relu)?;
    let mut x = net.pointwise(few, (&weights[..CHANNELS * 8], &bias), relu, None)?;
    for _ in 0..LAYERS {
        x = net.conv(x, Window::same((3, 3), 1), (&weights, &bias), relu)?;
    }
    let mean = net.global_pool(x)?;
    Arc::new(net.build(&[mean])).plan([1, 3, size, size], &options)
}

fn median(plan: &Plan, size: usize) -> Result<f64, PlanError> {
    let mut scratch = plan.scratch()?;
    let (picture, mut means) = (numbers(3 * size * size), [0.0; CHANNELS]);
    let mut times = Vec::with_capacity(REPETITIONS);
    for repetition in 0..WARM_UP + REPETITIONS {
        let start = Instant::now();
        plan.run(&mut scratch, &picture, &mut [&mut means])?;
        if repetition >= WARM_UP {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPETITIONS / 2])
}

/// Numbers around zero that keep values of all layers about as large.
fn numbers(len: usize) -> Vec<f32> {
    let scale = (6.0 / (9 * CHANNELS) as f32).sqrt();
    let mut state = 12345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
    };
    (0..len).map(|_| next()).collect()
}
