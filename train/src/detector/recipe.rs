//! Ways in which RetinaNets have been trained.

use crate::ema::Decay;
use crate::optim::{AdamW, Groups, Rule, Sgd};
use crate::recipe::{Course, Recipe};

/// Steps of an epoch of 16 pictures over COCO's training part.
const COCO: f64 = 117_266.0 / 16.0;

/// torchvision's for its RetinaNets v1 and v2.
///
/// # Source
/// torchvision 0.29's `references/detection/README.md`: 26 epochs on 8 GPUs with 2 pictures each,
/// rate 0.01, falling at epochs 16 and 22; `train.py` and `engine.py`: SGD with momentum 0.9, weight
/// decay 1e-4, 1000 steps of warm-up from a thousandth.
pub fn torchvision() -> Recipe {
    Recipe {
        epochs: 26,
        batch: 16,
        accumulate: 1,
        rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
        rate: 0.01,
        groups: Groups { weight_decay: 1e-4, decay_vectors: true, factors: Vec::new() },
        warmup_epochs: 1000.0 / COCO,
        warmup_start: 1e-3,
        course: Course::Steps { epochs: vec![16.0, 22.0], gamma: 0.1 },
        clip: None,
        ema: None,
        seed: 0,
    }
}

/// mmdetection's 1x schedule.
///
/// # Source
/// mmdetection 3.3, `configs/_base_/schedules/schedule_1x.py` and the rate of
/// `configs/retinanet/retinanet_r50_fpn_1x_coco.py`.
pub fn mmdet() -> Recipe {
    Recipe {
        epochs: 12,
        warmup_epochs: 500.0 / COCO,
        course: Course::Steps { epochs: vec![8.0, 11.0], gamma: 0.1 },
        ..torchvision()
    }
}

/// That of MobileNetV4's RetinaNets.
///
/// # Source
/// MobileNetV4 (arXiv 2404.10518), table 7: 600 epochs of batches of 2048, Adam, weight decay 3e-5, a
/// cosine after 24 epochs of warm-up. The rate is not printed there: 0.004 is this project's choice,
/// and weight decay is decoupled.
pub fn mobilenetv4() -> Recipe {
    Recipe {
        epochs: 600,
        batch: 2048,
        rule: Rule::AdamW(AdamW::default()),
        rate: 4e-3,
        groups: Groups::decaying(3e-5),
        warmup_epochs: 24.0,
        warmup_start: 0.0,
        course: Course::Cosine { end: 0.0 },
        ..torchvision()
    }
}

/// This project's own for fine-tuning on some hundreds or thousands of pictures.
pub fn small() -> Recipe {
    Recipe {
        epochs: 60,
        rule: Rule::AdamW(AdamW::default()),
        rate: 1e-3,
        groups: Groups::decaying(0.01),
        warmup_epochs: 2.0,
        warmup_start: 0.01,
        course: Course::Cosine { end: 0.01 },
        clip: Some(10.0),
        ema: Some(Decay { decay: 0.998, warmup: true }),
        ..torchvision()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Shape;

    #[test]
    fn steps_on_coco_are_those_of_the_sources() {
        let plan = torchvision().plan(117_266);
        assert_eq!((plan.schedule.warmup, plan.schedule.steps), (1000, 26 * 7329));
        let milestones = vec![16 * 7329, 22 * 7329];
        assert_eq!(plan.schedule.shape, Shape::Steps { milestones, gamma: 0.1 });
        assert_eq!((plan.schedule.rate(0), plan.schedule.rate(1000)), (1e-5, 0.01));
        assert_eq!(mmdet().plan(117_266).schedule.warmup, 500);
    }
}
