//! `--timing`: where the time of a plan goes, as a table.

use ghostnetv2::Timings;
use std::fmt::Write;

/// A line for each kind of operation, the dearest first, and the sum; empty where nothing was
/// timed.
pub fn table(timings: &Timings) -> String {
    let mut kinds = timings.kinds().to_vec();
    if kinds.is_empty() {
        return String::new();
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.time));
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let all: f64 = kinds.iter().map(|kind| ms(kind.time)).sum();
    let widest = kinds.iter().map(|kind| kind.kind.len()).fold(4, usize::max);
    let mut text =
        format!("{:widest$} {:>10} {:>7} {:>7} {:>9}\n", "kind", "ms", "share", "calls", "GFLOP/s");
    let mut line = |name: &str, time: f64, calls: usize, gflops: f64| {
        let share = 100.0 * time / all.max(f64::MIN_POSITIVE);
        let _ = writeln!(text, "{name:widest$} {time:10.3} {share:6.1}% {calls:7} {gflops:9.1}");
    };
    for kind in &kinds {
        line(kind.kind, ms(kind.time), kind.calls, kind.gflops());
    }
    let multiply_adds: usize = kinds.iter().map(|kind| kind.multiply_adds).sum();
    let calls = kinds.iter().map(|kind| kind.calls).sum();
    line("all", all, calls, 2e-6 * multiply_adds as f64 / all.max(f64::MIN_POSITIVE));
    text
}
