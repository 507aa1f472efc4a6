//! `--timing`: where the time of a program goes, phase by phase.

use crate::timing;
use ghostnetv2::Timings;
use std::time::{Duration, Instant};

/// Time spent in phases, which are listed in the order in which they first came.
#[derive(Debug, Default)]
pub struct Spent {
    phases: Vec<(&'static str, Duration)>,
    /// How many pictures it was spent on.
    pub pictures: usize,
    /// Of a plan's steps, where they are wanted: timing them costs a little.
    pub steps: Option<Timings>,
}

impl Spent {
    /// Nothing yet; with the steps of a plan, where they are wanted.
    pub fn new(steps: bool) -> Self {
        Self { steps: steps.then(Timings::default), ..Self::default() }
    }

    /// Adds to a phase.
    pub fn add(&mut self, phase: &'static str, time: Duration) {
        match self.phases.iter_mut().find(|(name, _)| *name == phase) {
            Some((_, sum)) => *sum += time,
            None => self.phases.push((phase, time)),
        }
    }

    /// Adds what passed since `start`.
    pub fn since(&mut self, phase: &'static str, start: Instant) {
        self.add(phase, start.elapsed());
    }

    /// A line for each phase, and a table of a plan's steps, on stderr.
    pub fn print(&self) {
        for (name, time) in &self.phases {
            let ms = time.as_secs_f64() * 1000.0;
            let each = ms / self.pictures.max(1) as f64;
            eprintln!("{name:11}{ms:9.2} ms, {each:.2} a picture");
        }
        eprint!("{}", self.steps.as_ref().map_or(String::new(), timing::table));
    }
}
