//! The flags that change a recipe: torchvision's names, where it has them.

use anyhow::Result;
use clap::{Args, ValueEnum};
use cli::exit::Usage;
use train::optim::{AdamW, Groups, RmsPropTf, Sgd};
use train::{Course, Decay, Recipe, Rule};

/// What overrides the numbers of a recipe.
#[derive(Args, Clone, Debug)]
pub(crate) struct RecipeArgs {
    /// How often every picture is seen
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Pictures that go through the network together
    #[arg(long, short = 'b', value_name = "N")]
    batch_size: Option<usize>,
    /// Batches whose gradients are averaged for one step
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// The optimiser
    #[arg(long, value_enum, value_name = "NAME")]
    opt: Option<Opt>,
    /// The base learning rate
    #[arg(long, value_name = "X")]
    lr: Option<f64>,
    /// Of SGD and RMSprop
    #[arg(long, value_name = "X")]
    momentum: Option<f64>,
    /// Of everything but norms and biases
    #[arg(long, visible_alias = "wd", value_name = "X")]
    weight_decay: Option<f64>,
    /// How the learning rate goes after the warm-up
    #[arg(long, value_enum, value_name = "NAME")]
    lr_scheduler: Option<Scheduler>,
    /// Epochs after which `step` multiplies the rate, with commas between
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    lr_steps: Option<Vec<f64>>,
    /// Epochs after which `every` multiplies the rate, again and again
    #[arg(long, value_name = "X")]
    lr_step_size: Option<f64>,
    /// What `step` and `every` multiply the rate by
    #[arg(long, value_name = "X")]
    lr_gamma: Option<f64>,
    /// Exponent of `poly`
    #[arg(long, value_name = "X")]
    lr_power: Option<f64>,
    /// The last rate of `cosine` and `poly`
    #[arg(long, value_name = "X")]
    lr_min: Option<f64>,
    /// Epochs of linear warm-up
    #[arg(long, value_name = "X")]
    lr_warmup_epochs: Option<f64>,
    /// Share of the base rate at the start of the warm-up
    #[arg(long, value_name = "X")]
    lr_warmup_decay: Option<f64>,
    /// Other learning rates: factors by the beginning of names, such as blocks=0.1,conv_stem=0.1
    #[arg(long, value_name = "PREFIX=X,…", value_delimiter = ',', value_parser = factor)]
    lr_factor: Vec<(String, f64)>,
    /// The longest that the gradients of a step may be together; 0 for any length
    #[arg(long, value_name = "X")]
    clip_grad_norm: Option<f64>,
    /// Score and keep a moving average of the weights
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    model_ema: Option<bool>,
    /// What the average keeps at each step
    #[arg(long, value_name = "X")]
    model_ema_decay: Option<f64>,
    /// Let the average forget faster at the start of the run
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    model_ema_warmup: Option<bool>,
    /// Of all random numbers
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Opt {
    Sgd,
    SgdNesterov,
    Adamw,
    /// TensorFlow's RMSprop, which GhostNets were trained with
    Rmsproptf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheduler {
    Constant,
    Cosine,
    /// Times --lr-gamma after the epochs of --lr-steps
    Step,
    /// Times --lr-gamma every --lr-step-size epochs
    Every,
    Poly,
    /// Up and down again, without another warm-up
    OneCycle,
}

fn factor(text: &str) -> Result<(String, f64), String> {
    let (prefix, factor) = text.split_once('=').ok_or("expected PREFIX=X")?;
    let factor = factor.parse().map_err(|_| format!("expected a number, found {factor:?}"))?;
    Ok((prefix.into(), factor))
}

impl RecipeArgs {
    /// Puts what was given in the place of what the recipe has.
    ///
    /// # Errors
    /// [`Usage`]: flags that the optimiser or the schedule does not have, numbers out of range.
    pub(crate) fn change(&self, recipe: &mut Recipe) -> Result<()> {
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch = self.batch_size.unwrap_or(recipe.batch);
        recipe.accumulate = self.accumulate.unwrap_or(recipe.accumulate);
        recipe.rate = self.lr.unwrap_or(recipe.rate);
        recipe.seed = self.seed.unwrap_or(recipe.seed);
        recipe.rule = self.rule(recipe.rule)?;
        let Groups { weight_decay, decay_vectors, .. } = recipe.groups;
        recipe.groups = Groups {
            weight_decay: self.weight_decay.unwrap_or(weight_decay),
            decay_vectors,
            factors: self.lr_factor.clone(),
        };
        recipe.course = self.course(recipe)?;
        if recipe.course == (Course::OneCycle { rise: 0.15 }) || self.lr_warmup_epochs.is_some() {
            recipe.warmup_epochs = self.lr_warmup_epochs.unwrap_or(0.0);
        }
        recipe.warmup_start = self.lr_warmup_decay.unwrap_or(recipe.warmup_start);
        recipe.clip = match self.clip_grad_norm {
            Some(limit) if limit > 0.0 => Some(limit),
            Some(_) => None,
            None => recipe.clip,
        };
        recipe.ema = self.ema(recipe.ema);
        check(recipe)
    }

    fn rule(&self, rule: Rule) -> Result<Rule> {
        let rule = match self.opt {
            None => rule,
            Some(Opt::Sgd) => Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
            Some(Opt::SgdNesterov) => Rule::Sgd(Sgd { momentum: 0.9, nesterov: true }),
            Some(Opt::Adamw) => Rule::AdamW(AdamW::default()),
            Some(Opt::Rmsproptf) => Rule::RmsPropTf(RmsPropTf::default()),
        };
        let Some(momentum) = self.momentum else { return Ok(rule) };
        match rule {
            Rule::Sgd(rule) => Ok(Rule::Sgd(Sgd { momentum, ..rule })),
            Rule::RmsPropTf(rule) => Ok(Rule::RmsPropTf(RmsPropTf { momentum, ..rule })),
            Rule::AdamW(_) => Err(usage("--momentum: AdamW has none: leave it out")),
        }
    }

    fn course(&self, recipe: &Recipe) -> Result<Course> {
        let end = self.lr_min.map(|rate| rate / recipe.rate);
        let course = match self.lr_scheduler {
            None => recipe.course.clone(),
            Some(Scheduler::Constant) => Course::Constant,
            Some(Scheduler::Cosine) => Course::Cosine { end: 0.0 },
            Some(Scheduler::Poly) => Course::Poly { power: 0.9, end: 0.0 },
            Some(Scheduler::OneCycle) => Course::OneCycle { rise: 0.15 },
            Some(Scheduler::Step) => Course::Steps { epochs: Vec::new(), gamma: 0.1 },
            Some(Scheduler::Every) => Course::Every { epochs: 30.0, gamma: 0.1 },
        };
        let course = match course {
            Course::Cosine { end: own } => Course::Cosine { end: end.unwrap_or(own) },
            Course::Poly { power, end: own } => {
                Course::Poly { power: self.lr_power.unwrap_or(power), end: end.unwrap_or(own) }
            }
            Course::Steps { epochs, gamma } => Course::Steps {
                epochs: self.lr_steps.clone().unwrap_or(epochs),
                gamma: self.lr_gamma.unwrap_or(gamma),
            },
            Course::Every { epochs, gamma } => Course::Every {
                epochs: self.lr_step_size.unwrap_or(epochs),
                gamma: self.lr_gamma.unwrap_or(gamma),
            },
            other => other,
        };
        let idle = [
            (
                "--lr-min",
                end.is_some(),
                matches!(course, Course::Cosine { .. } | Course::Poly { .. }),
            ),
            ("--lr-power", self.lr_power.is_some(), matches!(course, Course::Poly { .. })),
            ("--lr-steps", self.lr_steps.is_some(), matches!(course, Course::Steps { .. })),
            ("--lr-step-size", self.lr_step_size.is_some(), matches!(course, Course::Every { .. })),
            (
                "--lr-gamma",
                self.lr_gamma.is_some(),
                matches!(course, Course::Steps { .. } | Course::Every { .. }),
            ),
        ];
        match idle.iter().find(|(_, given, used)| *given && !used) {
            Some((flag, ..)) => Err(usage(&format!(
                "{flag}: this learning rate does not go so: see --lr-scheduler"
            ))),
            None => Ok(course),
        }
    }

    fn ema(&self, own: Option<Decay>) -> Option<Decay> {
        let wanted = self.model_ema.unwrap_or(own.is_some() || self.model_ema_decay.is_some());
        let own = own.unwrap_or(Decay { decay: 0.9998, warmup: true });
        wanted.then(|| Decay {
            decay: self.model_ema_decay.unwrap_or(own.decay),
            warmup: self.model_ema_warmup.unwrap_or(own.warmup),
        })
    }
}

fn check(recipe: &Recipe) -> Result<()> {
    let number = |value: f64| value.is_finite() && value >= 0.0;
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let checks = [
        ("--lr", number(recipe.rate)),
        ("--batch-size", recipe.batch > 0),
        ("--accumulate", recipe.accumulate > 0),
        ("--weight-decay", number(recipe.groups.weight_decay)),
        ("--lr-warmup-epochs", number(recipe.warmup_epochs)),
        ("--lr-warmup-decay", share(recipe.warmup_start)),
        ("--model-ema-decay", recipe.ema.is_none_or(|ema| share(ema.decay))),
        ("--lr-factor", recipe.groups.factors.iter().all(|(_, factor)| number(*factor))),
    ];
    match checks.iter().find(|(_, good)| !good) {
        Some((flag, _)) => Err(usage(&format!("{flag}: out of range"))),
        None => Ok(()),
    }
}

fn usage(text: &str) -> anyhow::Error {
    Usage(text.into()).into()
}
