//! How a run goes, on stderr.

use cli::progress;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};
use train::Scores;
use train::run::{Observer, Report};

/// A progress bar on a terminal; without one, a line now and then.
pub(crate) struct Bar {
    quiet: bool,
    steps: Option<ProgressBar>,
    scored: Option<ProgressBar>,
    said: Option<Instant>,
    images: usize,
}

/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(60);

impl Bar {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, steps: None, scored: None, said: None, images: 0 }
    }
}

impl Observer for Bar {
    fn message(&mut self, text: &str) {
        if !self.quiet {
            match &self.steps {
                Some(bar) => bar.suspend(|| eprintln!("{text}")),
                None => eprintln!("{text}"),
            }
        }
    }

    fn step(&mut self, report: &Report) {
        let Report { epoch, step, steps, loss, rate, images } = *report;
        let bar = self.steps.get_or_insert_with(|| {
            let bar = progress::items(steps as usize, "steps", self.quiet);
            bar.set_position(step - 1);
            bar.reset_eta();
            bar
        });
        bar.set_position(step);
        bar.set_message(format!("loss {loss:.4}"));
        self.images += images;
        let since = self.said.get_or_insert_with(Instant::now).elapsed();
        if !self.quiet && bar.is_hidden() && since >= PAUSE {
            let speed = self.images as f64 / since.as_secs_f64();
            eprintln!(
                "epoch {}, step {step} of {steps}: loss {loss:.4}, rate {rate:.2e}, {speed:.1} \
                 images/s",
                epoch + 1
            );
            (self.said, self.images) = (Some(Instant::now()), 0);
        }
    }

    fn evaluating(&mut self, done: usize, all: usize) {
        let bar =
            self.scored.get_or_insert_with(|| progress::items(all, "pictures scored", self.quiet));
        bar.set_position(done as u64);
        if done >= all {
            bar.finish_and_clear();
            self.scored = None;
        }
    }

    fn epoch(&mut self, epoch: u64, epochs: u64, scores: &[(&str, Scores)], best: Option<f64>) {
        let of = |(kind, scores): &(&str, Scores)| {
            format!("{} {:.2} ({kind})", scores.main, scores.value())
        };
        let scores: Vec<_> = scores.iter().map(of).collect();
        let best = best.map_or_else(String::new, |best| format!(", best {best:.2}"));
        self.message(&format!("epoch {} of {epochs}: {}{best}", epoch + 1, scores.join(", ")));
    }
}
