//! The end of an epoch: scores, the best model, a checkpoint, a picture of how it goes.

use super::{Observer, Run, curve, named, variables};
use crate::Error;
use crate::checkpoint::Position;
use crate::network::{Named, Network};
use crate::task::{Scores, Task};
use candle::Tensor;
use std::fs;

/// What an evaluation found.
pub(super) struct Evaluated {
    rows: Vec<(&'static str, Scores)>,
    /// The scores of the better one of weights and average, and itself.
    pub(super) better: Scores,
    state: Named<Tensor>,
}

impl<T: Task, N: Network> Run<'_, T, N> {
    /// Scores the weights, keeps the best, and writes everything down.
    pub(super) fn finish_epoch(
        &mut self,
        images_per_s: f64,
        observer: &mut dyn Observer,
    ) -> Result<Scores, Error> {
        let Evaluated { rows, better: scores, state } = self.evaluated(observer)?;
        let (step, epoch) = (self.position.total, self.position.epoch);
        let value = scores.value();
        if !value.is_nan() && self.best.is_none_or(|best| value > best) {
            if self.together.leads() {
                let folder = self.options.out.join("best");
                fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
                self.task.export(&state, &folder)?;
            }
            self.best = Some(value);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.epoch(step, epoch, &rows, images_per_s)?;
        }
        self.position = Position { epoch: epoch + 1, step: 0, total: step };
        self.save()?;
        if self.together.leads() {
            // A picture is nothing to stop a run for.
            let drawn = curve::draw(&self.options.out, &scores.main);
            drawn.unwrap_or_else(|error| observer.message(&error.to_string()));
        }
        observer.epoch(epoch, self.plan.epochs, &rows, self.best);
        Ok(scores)
    }

    /// Scores of the weights, and of their average where there is one.
    pub(super) fn evaluated(&self, observer: &mut dyn Observer) -> Result<Evaluated, Error> {
        let mut evaluate = |state: &Named<Tensor>| {
            self.task.evaluate(state, &mut |done, all| observer.evaluating(done, all))
        };
        let state = named(variables(self.network));
        let scores = evaluate(&state)?;
        let mut found =
            Evaluated { rows: vec![("weights", scores.clone())], better: scores, state };
        if let Some(ema) = &self.ema {
            let scores = evaluate(ema.average())?;
            found.rows.push(("ema", scores.clone()));
            // An average is young at the start of a run.
            if scores.value() >= found.better.value() || found.better.value().is_nan() {
                (found.better, found.state) = (scores, ema.average().clone());
            }
        }
        Ok(found)
    }
}
