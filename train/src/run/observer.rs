//! Who hears how a run goes.

use crate::task::Scores;

/// A step that was just made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// From 0.
    pub epoch: u64,
    /// Steps that are done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The loss before it.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// Pictures that it saw.
    pub images: usize,
}

/// Hears how a run goes: a progress bar, a log, nobody.
pub trait Observer {
    /// Something worth a sentence.
    fn message(&mut self, text: &str);
    /// After every step.
    fn step(&mut self, report: &Report);
    /// While a model is scored: done and all pictures.
    fn evaluating(&mut self, done: usize, all: usize);
    /// After every epoch, counted from 0: the scores of the weights and of their average, and the
    /// best of all so far.
    fn epoch(&mut self, epoch: u64, epochs: u64, scores: &[(&str, Scores)], best: Option<f64>);
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn message(&mut self, _: &str) {}
    fn step(&mut self, _: &Report) {}
    fn evaluating(&mut self, _: usize, _: usize) {}
    fn epoch(&mut self, _: u64, _: u64, _: &[(&str, Scores)], _: Option<f64>) {}
}
