//! Rows in turn: each in a process of its own, which computes for a moment while the others wait.

use crate::int8::Score;
use crate::row::{Row, name};
use crate::worker::{Ready, Turn};
use anyhow::{Context, Result};
use cli::exit::{Output, Said};
use cli::model::parse_size;
use cli::threads;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

/// A turn, where there are several rows.
const TURN: Duration = Duration::from_millis(250);

/// Times all rows, those that compete in turn, and prints a line for each.
pub(crate) fn take(rows: &[Row], seconds: Duration) -> Result<()> {
    for group in rows.chunk_by(Row::competes_with) {
        let mut workers = group.iter().map(Worker::start).collect::<Result<Vec<_>>>()?;
        let mut left = seconds;
        while left > Duration::ZERO || workers.iter().any(|worker| worker.times_ms.is_empty()) {
            let turn = if group.len() == 1 { left } else { TURN.min(left) };
            for worker in &mut workers {
                worker.turn(turn)?;
            }
            left -= turn;
        }
        for worker in workers {
            worker.finish()?;
        }
    }
    Ok(())
}

/// The process of a row, and what it measured.
struct Worker<'a> {
    row: &'a Row,
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    ready: Ready,
    times_ms: Vec<f64>,
    peak_rss_mb: Option<f64>,
}

impl<'a> Worker<'a> {
    /// Waits until the network has run once.
    fn start(row: &'a Row) -> Result<Self> {
        let mut command = threads::this_program(row.threads)?;
        row.describe_to(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("can't start this program again")?;
        let (to, from) = process.stdin.take().zip(process.stdout.take()).context("no pipes")?;
        let mut from = BufReader::new(from);
        let ready = answer(&mut process, &mut from)?;
        Ok(Self { row, process, to, from, ready, times_ms: Vec::new(), peak_rss_mb: None })
    }

    fn turn(&mut self, duration: Duration) -> Result<()> {
        // A worker that has ended says why itself: the missing answer tells.
        let _ = writeln!(self.to, "{}", duration.as_secs_f64());
        let turn: Turn = answer(&mut self.process, &mut self.from)?;
        self.times_ms.extend(turn.times_ms);
        self.peak_rss_mb = turn.peak_rss_mb;
        Ok(())
    }

    /// Prints the line of the row.
    fn finish(self) -> Result<()> {
        let Self { row, mut process, to, ready, mut times_ms, peak_rss_mb, .. } = self;
        times_ms.sort_by(f64::total_cmp);
        let median = times_ms[times_ms.len() / 2];
        let (height, width) = parse_size(&row.size)?;
        let mut line = json!({
            "model": row.which.name(), "backend": name(row.backend),
            "precision": name(row.precision), "isa": ready.isa, "threads": row.threads,
            "batch": row.batch, "size": [height, width], "median_ms": rounded(median),
            "min_ms": rounded(times_ms[0]), "runs": times_ms.len(),
            "images_per_s": rounded(1000.0 * f64::from(row.batch) / median),
            "peak_rss_mb": peak_rss_mb.map(rounded),
            "first_result_ms": rounded(ready.first_result_ms),
        });
        if let Some(Score { top1, top5, top1_f32 }) = row.score {
            let fields = [("top1", top1), ("top5", top5), ("top1_f32", top1_f32)];
            for (field, percent) in fields {
                line[field] = json!(rounded(percent));
            }
        }
        writeln!(io::stdout(), "{line}").map_err(Output)?;
        drop(to);
        process.wait().context("can't wait for a row's process")?;
        Ok(())
    }
}

/// To three decimals.
fn rounded(value: f64) -> f64 {
    (1000.0 * value).round() / 1000.0
}

/// The next line of a worker; one that ends instead has said why.
fn answer<T: DeserializeOwned>(
    process: &mut Child,
    from: &mut BufReader<ChildStdout>,
) -> Result<T> {
    let mut line = String::new();
    from.read_line(&mut line).context("can't read from a row's process")?;
    if line.is_empty() {
        let status = process.wait().context("can't wait for a row's process")?;
        return Err(Said(threads::code(status)).into());
    }
    serde_json::from_str(&line).with_context(|| format!("a row's process said {line}"))
}
