//! Ways in which Semantic FPNs have been trained.

use crate::ema::Decay;
use crate::optim::{AdamW, Groups, Rule, Sgd};
use crate::recipe::{Course, Recipe};

/// mmsegmentation's for Semantic FPN on a ResNet-50: 160,000 steps, as epochs of ADE20K.
///
/// # Source
/// mmsegmentation 1.2, `configs/sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py` and the
/// `schedule_160k.py` that it names.
pub fn mmseg() -> Recipe {
    Recipe {
        epochs: 127,
        batch: 16,
        accumulate: 1,
        rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
        rate: 0.01,
        groups: Groups { weight_decay: 5e-4, decay_vectors: true, factors: Vec::new() },
        warmup_epochs: 0.0,
        warmup_start: 0.0,
        course: Course::Poly { power: 0.9, end: 0.01 },
        clip: None,
        ema: None,
        seed: 0,
    }
}

/// That of PoolFormers under Semantic FPN: 40,000 steps of 32 pictures, as epochs of ADE20K.
///
/// # Source
/// PoolFormer (arXiv 2111.11418), section 4.3: AdamW, rate 2e-4, a poly course with power 0.9. The
/// weight decay of 1e-4 is that of PVT (arXiv 2102.12122), whose settings it follows.
pub fn poolformer() -> Recipe {
    Recipe {
        epochs: 64,
        batch: 32,
        rule: Rule::AdamW(AdamW::default()),
        rate: 2e-4,
        groups: Groups { weight_decay: 1e-4, decay_vectors: true, factors: Vec::new() },
        course: Course::Poly { power: 0.9, end: 0.0 },
        ..mmseg()
    }
}

/// This project's own for fine-tuning on some hundreds or thousands of pictures.
pub fn small() -> Recipe {
    Recipe {
        epochs: 100,
        batch: 8,
        rule: Rule::AdamW(AdamW::default()),
        rate: 1e-3,
        groups: Groups::decaying(0.01),
        warmup_epochs: 2.0,
        warmup_start: 0.01,
        course: Course::Poly { power: 0.9, end: 0.0 },
        clip: Some(10.0),
        ema: Some(Decay { decay: 0.998, warmup: true }),
        ..mmseg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_on_ade20k_are_those_of_the_sources() {
        let steps = |recipe: Recipe| recipe.plan(20_210).schedule.steps as f64;
        assert!((steps(mmseg()) / 160_000.0 - 1.0).abs() < 0.01);
        assert!((steps(poolformer()) / 40_000.0 - 1.0).abs() < 0.01);
        let plan = mmseg().plan(20_210);
        assert!((plan.schedule.rate(plan.schedule.steps) - 1e-4).abs() < 1e-12);
    }
}
