//! What tests of `train` share: pictures of coloured rectangles, and runs that are killed.

use crate::program::{Ended, command, run};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) const SIDE: u32 = 64;

/// Where the rectangle of picture `i` is: left, top, right, bottom.
pub(crate) fn rectangle(i: u32) -> [u32; 4] {
    let (x, y) = (4 + i * 11 % 24, 4 + i * 7 % 20);
    [x, y, x + 24 + i % 3 * 4, y + 30]
}

pub(crate) fn inside(i: u32, pixel: u32) -> bool {
    let [x1, y1, x2, y2] = rectangle(i);
    (x1..x2).contains(&(pixel % SIDE)) && (y1..y2).contains(&(pixel / SIDE))
}

pub(crate) fn png(path: &Path, colour: png::ColorType, pixels: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), SIDE, SIDE);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

/// Yellow on blue, with noise that tells the pictures apart.
pub(crate) fn picture(path: &Path, i: u32) {
    let pixel = |pixel: u32| {
        let noise = (pixel.wrapping_mul(2_654_435_761 - 2 * i) >> 27) as u8;
        if inside(i, pixel) { [220 - noise, 200, noise] } else { [noise, 30, 160 + noise] }
    };
    png(path, png::ColorType::Rgb, &(0..SIDE * SIDE).flat_map(pixel).collect::<Vec<_>>());
}

pub(crate) fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

pub(crate) fn complete(run: Ended) -> Ended {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run
}

/// Losses of all steps.
pub(crate) fn losses(out: &Path) -> Vec<f64> {
    let lines = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter_map(|row| row["loss"].as_f64()).collect()
}

pub(crate) fn must_fall(out: &Path) {
    let losses = losses(out);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.7 * first, "{losses:?}");
}

/// The bytes of a run's end, where a run that is killed after some checkpoints and resumed must
/// arrive too. `stem` is the name of the network's first layer.
pub(crate) fn killed_and_resumed(
    arguments: &dyn Fn(&Path) -> Vec<String>,
    folder: &Path,
    stem: &str,
) {
    let (whole, stopped) = (folder.join("whole"), folder.join("stopped"));
    complete(run("train", arguments(&whole)));
    let last = stopped.join("last.safetensors");
    let mut started = command("train", folder).args(arguments(&stopped)).spawn().unwrap();
    let start = Instant::now();
    while !last.exists() {
        assert!(start.elapsed() < Duration::from_secs(300), "no checkpoint");
        assert!(started.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    started.kill().unwrap();
    started.wait().unwrap();
    let mut again = arguments(&stopped);
    again.push("--resume".into());
    let resumed = complete(run("train", &again));
    assert!(resumed.stderr.contains("resumed after"), "{}", resumed.stderr);
    assert!(fs::read(last).unwrap() == fs::read(whole.join("last.safetensors")).unwrap());
    let best = "best/model.safetensors";
    assert!(fs::read(stopped.join(best)).unwrap() == fs::read(whole.join(best)).unwrap());

    // Once more, it has nothing to do and says the same.
    assert_eq!(complete(run("train", &again)).stdout, resumed.stdout);

    // Another seed is another run, and so is one in which less learns.
    for (flag, value, difference) in [
        ("--seed", "5", "plan.seed: 0 in the checkpoint, now 5"),
        ("--freeze", stem, &format!("frozen: [] in the checkpoint, now [\"{stem}.weight\"]")),
    ] {
        let mut other = again.clone();
        other.extend([flag.to_owned(), value.to_owned()]);
        let refused = run("train", &other);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(difference), "{}", refused.stderr);
    }
}
