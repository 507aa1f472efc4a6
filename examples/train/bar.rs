//! How a run goes, on a terminal: a bar for the run, and a line for every epoch.

use cli::progress;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};
use train::run::Report;
use train::{Observer, Scores};

/// How many seconds a rate is over.
const WINDOW: Duration = Duration::from_secs(20);

/// A progress bar for a run.
pub(crate) struct Bar {
    quiet: bool,
    bar: Option<ProgressBar>,
    scoring: Option<ProgressBar>,
    /// Since when pictures are counted, and how many there were.
    counted: (Instant, usize),
    rate: f64,
}

impl Bar {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, bar: None, scoring: None, counted: (Instant::now(), 0), rate: 0.0 }
    }

    pub(crate) fn clear(&mut self) {
        self.bar.iter().chain(&self.scoring).for_each(ProgressBar::finish_and_clear);
    }

    fn print(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Observer for Bar {
    fn message(&mut self, text: &str) {
        self.print(text);
    }

    fn step(&mut self, report: &Report) {
        if let Some(scoring) = self.scoring.take() {
            scoring.finish_and_clear();
            // What was spent on scores is no part of the rate.
            self.counted = (Instant::now(), 0);
        }
        let quiet = self.quiet;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = progress::steps(report.steps, quiet);
            bar.set_position(report.step.saturating_sub(1));
            bar.reset_eta();
            bar
        });
        self.counted.1 += report.images;
        let elapsed = self.counted.0.elapsed();
        if elapsed >= WINDOW || self.rate == 0.0 {
            self.rate = self.counted.1 as f64 / elapsed.as_secs_f64();
        }
        if elapsed >= WINDOW {
            self.counted = (Instant::now(), 0);
        }
        bar.set_message(format!(
            "epoch {}, loss {:.3}, lr {:.2e}, {:.0} images/s",
            report.epoch + 1,
            report.loss,
            report.rate,
            self.rate
        ));
        bar.set_position(report.step);
    }

    fn evaluating(&mut self, done: usize, all: usize) {
        let quiet = self.quiet;
        let scoring =
            self.scoring.get_or_insert_with(|| progress::items(all, "pictures scored", quiet));
        scoring.set_position(done as u64);
    }

    fn epoch(&mut self, epoch: u64, epochs: u64, scores: &[(&str, Scores)], best: Option<f64>) {
        let row = |(name, scores): &(&str, Scores)| {
            let all = scores.all.iter().map(|(score, value)| format!("{score} {value:.3}"));
            format!("{name}: {}", all.collect::<Vec<_>>().join(" "))
        };
        let rows: Vec<String> = scores.iter().map(row).collect();
        let best = best.map_or(String::new(), |best| format!("; best {best:.3}"));
        self.print(&format!("epoch {}/{epochs}  {}{best}", epoch + 1, rows.join("; ")));
    }
}
