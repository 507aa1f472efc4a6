//! Recipes: what others, and this project, train dense networks with.

use crate::ema::Decay;
use crate::optim::{AdamW, Groups, Rule, Sgd};
use crate::run::Plan;
use crate::schedule::{Schedule, Shape};

/// Numbers of a training that do not depend on the data; see [`Recipe::plan`].
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// For how long.
    pub length: Length,
    /// Examples of a step.
    pub batch: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulate: usize,
    /// The optimiser.
    pub rule: Rule,
    /// The learning rate for batches of so many examples.
    pub rate: f64,
    /// Weight decay and learning rates by name.
    pub groups: Groups,
    /// How the rate rises at first.
    pub warmup: Warmup,
    /// How it falls after that.
    pub fall: Fall,
    /// The longest that the gradients of a step may be together.
    pub clip: Option<f64>,
    /// The moving average that is scored and kept.
    pub ema: Option<Decay>,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Every example is seen so often.
    Epochs(u64),
    /// So many steps, rounded up to epochs.
    Steps(u64),
}

/// How the rate rises at first, linearly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warmup {
    /// Over so many steps, but no more than the first epoch has, from a share of the rate.
    Steps(u64, f64),
    /// Over so many epochs, from 0.
    Epochs(u64),
}

/// How the rate falls.
#[derive(Clone, Debug, PartialEq)]
pub enum Fall {
    /// To a tenth at each of these shares of the run.
    Steps(Vec<f64>),
    /// Along half a cosine.
    Cosine,
    /// `(1 - t)^0.9`, down to a share of the rate.
    Poly(f64),
}

impl Recipe {
    /// torchvision's for RetinaNet v1 and v2.
    ///
    /// # Source
    /// torchvision 0.29's `references/detection/README.md`: 26 epochs on 8 GPUs with 2 pictures
    /// each, rate 0.01, falling at epochs 16 and 22; `train.py` and `engine.py`: SGD with momentum
    /// 0.9 and weight decay 1e-4, 1000 steps of warm-up from a thousandth.
    pub fn torchvision() -> Self {
        Self {
            length: Length::Epochs(26),
            batch: 16,
            accumulate: 1,
            rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
            rate: 0.01,
            groups: Groups { weight_decay: 1e-4, decay_vectors: true, factors: Vec::new() },
            warmup: Warmup::Steps(1000, 1e-3),
            fall: Fall::Steps(vec![16.0 / 26.0, 22.0 / 26.0]),
            clip: None,
            ema: None,
        }
    }

    /// mmdetection's 1x schedule.
    ///
    /// # Source
    /// mmdetection 3.3, `configs/_base_/schedules/schedule_1x.py` and the rate of
    /// `configs/retinanet/retinanet_r50_fpn_1x_coco.py`.
    pub fn mmdet() -> Self {
        Self {
            length: Length::Epochs(12),
            warmup: Warmup::Steps(500, 1e-3),
            fall: Fall::Steps(vec![8.0 / 12.0, 11.0 / 12.0]),
            ..Self::torchvision()
        }
    }

    /// That of MobileNetV4's RetinaNets.
    ///
    /// # Source
    /// MobileNetV4 (arXiv 2404.10518), table 7: 600 epochs of batches of 2048, Adam, weight decay
    /// 3e-5, a cosine after 24 epochs of warm-up. The rate is not printed there: 0.004 is this
    /// project's, and weight decay is decoupled.
    pub fn mobilenetv4() -> Self {
        Self {
            length: Length::Epochs(600),
            batch: 2048,
            accumulate: 1,
            rule: Rule::AdamW(AdamW::default()),
            rate: 4e-3,
            groups: Groups::decaying(3e-5),
            warmup: Warmup::Epochs(24),
            fall: Fall::Cosine,
            clip: None,
            ema: None,
        }
    }

    /// mmsegmentation's for Semantic FPN on a ResNet-50.
    ///
    /// # Source
    /// mmsegmentation 1.2, `configs/sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py`:
    /// `schedule_160k.py`.
    pub fn mmseg() -> Self {
        Self {
            length: Length::Steps(160_000),
            batch: 16,
            accumulate: 1,
            rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
            rate: 0.01,
            groups: Groups { weight_decay: 5e-4, decay_vectors: true, factors: Vec::new() },
            warmup: Warmup::Steps(0, 1.0),
            fall: Fall::Poly(0.01),
            clip: None,
            ema: None,
        }
    }

    /// That of PVT and PoolFormer under Semantic FPN.
    ///
    /// # Source
    /// `configs/sem_fpn/PoolFormer/fpn_poolformer_s12_ade20k_40k.py` of PoolFormer (arXiv
    /// 2111.11418): 40,000 steps of 32, AdamW.
    pub fn poolformer() -> Self {
        Self {
            length: Length::Steps(40_000),
            batch: 32,
            rule: Rule::AdamW(AdamW::default()),
            rate: 2e-4,
            groups: Groups { weight_decay: 1e-4, decay_vectors: true, factors: Vec::new() },
            fall: Fall::Poly(0.0),
            ..Self::mmseg()
        }
    }

    /// This project's own for fine-tuning on some hundreds or thousands of pictures.
    pub fn small() -> Self {
        Self {
            length: Length::Epochs(60),
            batch: 16,
            accumulate: 1,
            rule: Rule::AdamW(AdamW::default()),
            rate: 1e-3,
            groups: Groups::decaying(0.01),
            warmup: Warmup::Steps(500, 1e-2),
            fall: Fall::Cosine,
            clip: Some(10.0),
            ema: Some(Decay { decay: 0.998, warmup: true }),
        }
    }

    /// The same for batches of another size, with a rate in proportion.
    pub fn with_batch(self, batch: usize) -> Self {
        let rate = self.rate * batch as f64 / self.batch.max(1) as f64;
        Self { batch, rate, ..self }
    }

    /// What it means for so many examples.
    pub fn plan(&self, seed: u64, examples: usize) -> Plan {
        let per_epoch = Plan::steps_per_epoch(examples, self.batch, self.accumulate);
        let epochs = match self.length {
            Length::Epochs(epochs) => epochs,
            Length::Steps(steps) => steps.div_ceil(per_epoch),
        };
        let steps = epochs * per_epoch;
        let (warmup, warmup_start) = match self.warmup {
            Warmup::Steps(steps, start) => (steps.min(per_epoch), start),
            Warmup::Epochs(epochs) => (epochs * per_epoch, 0.0),
        };
        let shape = match &self.fall {
            Fall::Steps(shares) => {
                let milestone = |share: &f64| (share * epochs as f64).round() as u64 * per_epoch;
                let milestones = shares.iter().map(milestone).collect();
                Shape::Steps { milestones, gamma: 0.1 }
            }
            Fall::Cosine => Shape::Cosine { end: 0.0 },
            Fall::Poly(end) => Shape::Poly { power: 0.9, end: *end },
        };
        Plan {
            seed,
            epochs,
            batch: self.batch,
            accumulate: self.accumulate,
            rule: self.rule,
            groups: self.groups.clone(),
            schedule: Schedule { base: self.rate, steps, warmup, warmup_start, shape },
            clip: self.clip,
            ema: self.ema,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_are_those_of_the_source_and_move_with_the_length() {
        // 118,000 pictures: 7375 steps of 16 an epoch.
        let plan = Recipe::torchvision().plan(0, 118_000);
        assert_eq!(plan.epochs, 26);
        let Shape::Steps { milestones, .. } = &plan.schedule.shape else { panic!() };
        assert_eq!(milestones, &[16 * 7375, 22 * 7375]);
        assert_eq!((plan.schedule.rate(0), plan.schedule.rate(1000)), (1e-5, 0.01));
        let half = Recipe { length: Length::Epochs(13), ..Recipe::torchvision() }.plan(0, 118_000);
        let Shape::Steps { milestones, .. } = &half.schedule.shape else { panic!() };
        assert_eq!(milestones, &[8 * 7375, 11 * 7375]);
    }

    #[test]
    fn steps_become_epochs_and_rates_follow_batches() {
        let plan = Recipe::mmseg().plan(0, 20_210);
        assert_eq!((plan.epochs, plan.schedule.steps), (127, 127 * 1263));
        assert!((plan.schedule.rate(plan.schedule.steps) - 1e-4).abs() < 1e-12);
        let smaller = Recipe::mobilenetv4().with_batch(64);
        assert_eq!((smaller.batch, smaller.rate), (64, 4e-3 / 32.0));
        assert_eq!(smaller.plan(0, 640).schedule.warmup, 240);
    }
}
