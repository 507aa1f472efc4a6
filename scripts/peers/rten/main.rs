//! The peer rten in a process of its own: `rten-worker FOLDER BATCH SIZE THREADS`. Answers as `worker.py` does.

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};
use std::error::Error;
use std::fs;
use std::io::stdin;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The network, its input, and the threads that run it.
struct Peer {
    model: Model,
    images: NdTensor<f32, 4>,
    pool: Arc<ThreadPool>,
}

impl Peer {
    fn load(folder: &Path, images: NdTensor<f32, 4>, threads: usize) -> Result<Self> {
        let mut options = ModelOptions::with_all_ops();
        options.enable_optimization(true).prepack_weights(true);
        let model = options.load_file(folder.join("model.onnx"))?;
        Ok(Self { model, images, pool: Arc::new(ThreadPool::with_num_threads(threads)) })
    }

    fn forward(&self) -> Result<NdTensor<f32, 2>> {
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
        Ok(self.model.run_one(self.images.view().into(), Some(options))?.try_into()?)
    }

    /// Milliseconds of each forward of a turn; three at least, after one that warms the caches.
    fn timed(&self, turn: Duration) -> Result<Vec<f64>> {
        self.forward()?;
        let mut times = Vec::new();
        let begin = Instant::now();
        while times.len() < 3 || begin.elapsed() < turn {
            let start = Instant::now();
            self.forward()?;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    }
}

fn main() -> Result<()> {
    let started = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, batch, size, threads] = &arguments[..] else {
        return Err("expected FOLDER BATCH SIZE THREADS".into());
    };
    let (batch, size): (usize, usize) = (batch.parse()?, size.parse()?);
    let folder = Path::new(folder).join(format!("b{batch}"));
    let images = NdTensor::from_data([batch, 3, size, size], numbers(&folder.join("input.f32"))?);
    let peer = Peer::load(&folder, images, threads.parse()?)?;
    let logits = peer.forward()?;
    let after_start = started.elapsed().as_secs_f64() * 1000.0;
    let error = difference(&logits.view(), &numbers(&folder.join("outputs.f32"))?)?;
    println!(r#"{{"precision": "f32", "error": {error}, "after_start_ms": {after_start}}}"#);
    for line in stdin().lines() {
        let times = peer.timed(Duration::try_from_secs_f64(line?.trim().parse()?)?)?;
        println!("{times:?}");
    }
    Ok(())
}

/// A file of little-endian f32.
fn numbers(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
}

/// The largest difference, as a part of the range of what is expected; NaN counts as the largest.
fn difference(found: &NdTensorView<f32, 2>, expected: &[f32]) -> Result<f32> {
    if found.len() != expected.len() {
        return Err(format!("{} logits, expected {}", found.len(), expected.len()).into());
    }
    let most = |values: &mut dyn Iterator<Item = f32>| values.max_by(f32::total_cmp);
    let worst = most(&mut found.iter().zip(expected).map(|(a, b)| (a - b).abs()));
    let high = most(&mut expected.iter().copied());
    let low = most(&mut expected.iter().map(|&value| -value)).map(|value| -value);
    let (Some(worst), Some(high), Some(low)) = (worst, high, low) else {
        return Err("no logits".into());
    };
    Ok(worst / (high - low))
}
