//! The loop: steps, evaluation, checkpoints, metrics; the same for every task.

mod ahead;
mod curve;
mod epoch;
mod metrics;
mod observer;
mod order;
mod plan;
mod together;

pub use observer::{Observer, Report, Silent};
pub use plan::{Options, Plan};

use crate::Error;
use crate::checkpoint::{Checkpoints, Position, Progress, State};
use crate::ema::Ema;
use crate::network::{Named, Network};
use crate::optim::{Optimizer, clip_factor, global_norm};
use crate::seed::Seed;
use crate::task::{Scores, Task};
use ahead::{Ahead, Ready};
use candle::{DType, Device, Tensor, Var};
use metrics::Metrics;
use order::Order;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use together::Together;

/// Trains `network` on `task` as `plan` says, and gives the scores of the last evaluation.
///
/// In `options.out` are then `last.safetensors` and `previous.safetensors` to resume from,
/// `metrics.jsonl`, and the best model in `best/`. A run that was stopped at any moment
/// and resumed ends with the same bytes in `last.safetensors` as one that was not.
///
/// # Errors
/// What the task, the files or candle say; a checkpoint of another run; [`Error::NotFinite`].
pub fn train<T: Task, N: Network>(
    task: &T,
    network: &mut N,
    plan: &Plan,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Scores, Error> {
    check(task, plan)?;
    fs::create_dir_all(&options.out).map_err(Error::write(&options.out))?;
    let mut run = Run::start(task, network, plan, options, observer)?;
    let position = run.position;
    std::thread::scope(|scope| {
        let ahead = Ahead::start(scope, task, run.order, position, options)?;
        run.go(ahead, observer)
    })
}

fn check<T: Task>(task: &T, plan: &Plan) -> Result<(), Error> {
    let wrong = |text: &str| Err(Error::Configuration(text.into()));
    if task.examples() == 0 {
        return wrong("there are no training examples");
    }
    if plan.batch == 0 || plan.accumulate == 0 || plan.epochs == 0 {
        return wrong("the batch size, the number of epochs and of batches a step are at least 1");
    }
    if !(plan.schedule.base.is_finite() && plan.schedule.base >= 0.0) {
        return wrong("the learning rate is a number from 0");
    }
    Ok(())
}

/// A run between two steps.
struct Run<'a, T, N> {
    task: &'a T,
    network: &'a mut N,
    plan: &'a Plan,
    options: &'a Options,
    optimizer: Optimizer,
    ema: Option<Ema>,
    checkpoints: Checkpoints,
    /// Of the rank that writes.
    metrics: Option<Metrics>,
    order: Order,
    together: Together,
    identity: Value,
    position: Position,
    best: Option<f64>,
}

impl<'a, T: Task, N: Network> Run<'a, T, N> {
    /// At the beginning, or where the last checkpoint was.
    fn start(
        task: &'a T,
        network: &'a mut N,
        plan: &'a Plan,
        options: &'a Options,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let frozen = network.vars().frozen();
        let mut identity = json!({ "plan": plan, "task": task.identity(), "frozen": frozen });
        if network.vars().stored() != DType::F32 {
            identity["activations"] = network.vars().stored().as_str().into();
        }
        let checkpoints = Checkpoints::in_folder(&options.out);
        if checkpoints.exist() && !options.resume {
            let out = options.out.display();
            let text = format!("{out} has a run already: give --resume, or another --out");
            return Err(Error::Configuration(text));
        }
        let saved = checkpoints.load(&identity, &mut |text| observer.message(text))?;
        let ema = plan.ema.map(|decay| Ema::new(decay, variables(network))).transpose()?;
        let optimizer = Optimizer::new(plan.rule, plan.groups.clone());
        let together = Together(options.ranks.clone());
        if let Some(ranks) = &options.ranks {
            network.set_ranks(ranks);
        }
        let order = Order::new(plan, task.examples(), together.rank());
        let ranks = together.rank().1;
        if order.batch() < ranks {
            let text = format!("batches of {} can't be shared by {ranks} ranks", order.batch());
            return Err(Error::Configuration(text));
        }
        let position = saved.as_ref().map_or(Position::default(), |state| state.progress.position);
        together.must_agree(position.total)?;
        let open = || Metrics::open(&options.out, position.total);
        let metrics = together.leads().then(open).transpose()?;
        let mut run = Self {
            task,
            network,
            plan,
            options,
            optimizer,
            ema,
            checkpoints,
            metrics,
            order,
            together,
            identity,
            position,
            best: None,
        };
        if let Some(state) = saved {
            run.restore(state)?;
            let Position { epoch, step, .. } = position;
            observer.message(&format!("resumed after {epoch} epochs and {step} steps"));
        }
        Ok(run)
    }

    fn restore(&mut self, state: State) -> Result<(), Error> {
        let mut missing = Vec::new();
        for (name, var) in variables(self.network) {
            match state.weights.get(name) {
                Some(tensor) if tensor.dims() == var.dims() => {
                    var.set(&tensor.to_device(var.device())?)?;
                }
                _ => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            let names = missing.join(", ");
            let reason = format!("no tensor of the right shape for {names}: give another --out");
            return Err(Error::Checkpoint { path: self.checkpoints.last(), reason });
        }
        let parameters = self.network.parameters();
        self.optimizer.restore(state.progress.updates, &state.optimizer, parameters)?;
        if let Some(ema) = &mut self.ema {
            let device = self.network.parameters().values().next().map(|var| var.device().clone());
            let device = device.unwrap_or(Device::Cpu);
            let place = |(name, t): (String, Tensor)| Ok((name, t.to_device(&device)?));
            ema.restore(state.ema.into_iter().map(place).collect::<candle::Result<_>>()?);
        }
        self.best = state.progress.best;
        Ok(())
    }

    fn go(&mut self, ahead: Ahead<T::Batch>, observer: &mut dyn Observer) -> Result<Scores, Error> {
        let mut scores = None;
        let mut started = Instant::now();
        let mut seen = 0;
        while self.position.epoch < self.plan.epochs {
            if self.position.step < self.order.steps() {
                let report = self.step(&ahead)?;
                seen += report.images;
                observer.step(&report);
                let save = self.options.save_steps.is_some_and(|n| report.step.is_multiple_of(n));
                if save && self.position.step < self.order.steps() {
                    self.save()?;
                }
                continue;
            }
            let images_per_s = seen as f64 / started.elapsed().as_secs_f64();
            scores = Some(self.finish_epoch(images_per_s, observer)?);
            (seen, started) = (0, Instant::now());
        }
        match scores {
            Some(scores) => Ok(scores),
            // It was finished when it was resumed.
            None => Ok(self.evaluated(observer)?.better),
        }
    }

    /// Some batches, and one move of the optimiser.
    fn step(&mut self, ahead: &Ahead<T::Batch>) -> Result<Report, Error> {
        let task = self.task;
        let (mut loss, mut gradients, mut images) = (0.0, Named::<Tensor>::new(), 0);
        for part in 0..self.plan.accumulate {
            let Ready { batch, examples } = ahead.next()?;
            let pictures = task.images(&batch)?;
            let factor = self.together.factor(task.weight(&batch));
            let seed = Seed(self.plan.seed).stream("step", self.position.total, part as u64).bits();
            let step = self.network.step(&pictures, seed, &mut |outputs| {
                let loss = task.loss(&batch, outputs)?;
                if factor == 1.0 { Ok(loss) } else { loss * factor }
            })?;
            images += examples;
            loss += step.loss / self.plan.accumulate as f64;
            if self.plan.accumulate == 1 {
                gradients = step.gradients;
                continue;
            }
            for (name, gradient) in step.gradients {
                let gradient = (gradient / self.plan.accumulate as f64)?;
                let sum = match gradients.remove(&name) {
                    Some(sum) => (sum + gradient)?,
                    None => gradient,
                };
                gradients.insert(name, sum);
            }
        }
        let parameters = self.network.parameters();
        self.together.average((&mut loss, &mut images), &mut gradients, parameters)?;
        self.must_be_finite("the loss", loss)?;
        let norm = global_norm(&gradients)?;
        self.must_be_finite("the norm of the gradients", norm)?;

        let (total, rate) = (self.position.total, self.plan.schedule.rate(self.position.total));
        let scale = clip_factor(norm, self.plan.clip);
        self.optimizer.step(self.network.parameters(), &gradients, rate, scale)?;
        if let Some(ema) = &mut self.ema {
            ema.update(total, variables(self.network))?;
        }
        self.position.step += 1;
        self.position.total += 1;
        let (step, epoch) = (self.position.total, self.position.epoch);
        if let Some(metrics) = &mut self.metrics
            && step.is_multiple_of(self.options.log_steps.max(1))
        {
            metrics.step(step, epoch, loss, rate, norm)?;
        }
        let steps = self.plan.epochs * self.order.steps();
        Ok(Report { epoch, step, steps, loss, rate, images })
    }

    fn must_be_finite(&self, what: &'static str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let step = self.position.total;
        let name = format!("broken-{step}.safetensors");
        let dump = match self.together.leads() {
            true => self.checkpoints.dump(&self.state()?, &name)?,
            false => self.options.out.join(name),
        };
        Err(Error::NotFinite { what, value, step, dump })
    }

    fn save(&mut self) -> Result<(), Error> {
        match &self.metrics {
            Some(metrics) => metrics.sync()?,
            None => return Ok(()), // another rank writes
        }
        self.checkpoints.save(&self.state()?)
    }

    fn state(&self) -> Result<State, Error> {
        Ok(State {
            progress: Progress {
                position: self.position,
                updates: self.optimizer.count(),
                best: self.best,
                identity: self.identity.clone(),
            },
            weights: named(variables(self.network)),
            optimizer: self.optimizer.state(self.network.parameters())?,
            ema: self.ema.as_ref().map_or_else(Named::new, |ema| ema.average().clone()),
        })
    }
}

fn variables<N: Network>(network: &N) -> impl Iterator<Item = (&String, &Var)> {
    network.parameters().iter().chain(network.statistics())
}

fn named<'a>(variables: impl Iterator<Item = (&'a String, &'a Var)>) -> Named<Tensor> {
    variables.map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
}

/// Where the best model of a run is.
pub fn best_folder(out: &Path) -> PathBuf {
    out.join("best")
}
