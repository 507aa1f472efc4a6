//! Sixteen threads share one plan for as long as one likes, with pictures of any size: memory stays
//! flat and results the same.
//!
//! `SOAK_SECONDS=3600 cargo test --release -p ghostnetv2 --test soak -- --ignored --nocapture`
#![allow(clippy::unwrap_used)] // a test that can't go on may end

#[path = "model/formula.rs"]
#[allow(dead_code)] // other tests use the rest
mod formula;

use candle::{Device, Tensor};
use formula::{Formula, plain};
use ghostnetv2::picture::{DecodeOptions, decode};
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::{Config, GhostNet, PlanOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: usize = 16;

/// Memory that is resident, in MB; `None` where the system does not tell.
fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// The pictures of the fixtures, as files.
fn pictures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().unwrap() != "json").collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
#[ignore = "takes SOAK_SECONDS, by default a minute"]
fn memory_stays_flat() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(60, |text| text.parse().unwrap());
    let (length, start) = (Duration::from_secs(seconds), Instant::now());
    let net = GhostNet::new(&Config::v2(1.0), 100, Formula::default().var_builder()).unwrap();
    let plan = net.plan(&[1, 3, 224, 224], &PlanOptions::default()).unwrap();
    let expected = plan.forward(&plain("input", (1, 3, 64, 64)).unwrap()).unwrap();
    let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
    let (pictures, runs) = (pictures(), AtomicU64::new(0));
    let mut memory = vec![];
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (plan, expected, pictures, runs) = (&plan, &expected, &pictures, &runs);
            scope.spawn(move || {
                let mut state = thread;
                let mut random = move |from: usize, to: usize| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    from + (state >> 33) as usize % (to - from)
                };
                while start.elapsed() < length {
                    let (b, h, w) = (random(1, 4), random(33, 400), random(33, 400));
                    let x = Tensor::zeros((b, 3, h, w), candle::DType::F32, &Device::Cpu).unwrap();
                    assert_eq!(plan.forward(&x).unwrap().dims(), [b, 100]);
                    let file = &pictures[random(0, pictures.len())];
                    if let Ok(picture) = decode(file, &DecodeOptions::default()) {
                        Preprocess::default().apply(&picture);
                    }
                    let x = plain("input", (1, 3, 64, 64)).unwrap();
                    let found = plan.forward(&x).unwrap().flatten_all().unwrap();
                    assert_eq!(found.to_vec1::<f32>().unwrap(), *expected);
                    runs.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        // Sixty looks at the memory.
        while start.elapsed() < length {
            std::thread::sleep(length / 60);
            let Some(now) = resident_mb() else { continue };
            memory.push(now);
            let (runs, elapsed) = (runs.load(Ordering::Relaxed), start.elapsed().as_secs());
            println!("{elapsed:6} s, {runs:9} runs, {now:7.1} MB");
        }
    });
    // The first sixth is for all layouts to come and go.
    let (early, late) = memory.split_at(memory.len() / 6);
    let early = early.iter().copied().fold(0.0, f64::max);
    let late = late.iter().copied().fold(0.0, f64::max);
    assert!(memory.is_empty() || late <= 1.15 * early, "{early:.1} MB became {late:.1}");
}
