//! Ways to train a classifier that are known to work.

use super::augment::{Augment, Crop, Erase, Fill, Mix, RandAugment, Resampling};
use crate::ema::Decay;
use crate::optim::{AdamW, Groups, RmsPropTf, Rule};
use crate::recipe::{Course, Recipe};
use ghostnetv2::preprocess::Preprocess;

/// A way to train a classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassificationRecipe {
    /// Optimiser, rates, epochs.
    pub recipe: Recipe,
    /// From training pictures to inputs.
    pub augment: Augment,
    /// The share of every target that is spread over all classes.
    pub smoothing: f64,
    /// The share of the features that drop out.
    pub dropout: f32,
}

impl ClassificationRecipe {
    /// GhostNetV2's on ImageNet: 450 epochs, RMSprop, RandAugment.
    ///
    /// # Source
    /// `ghostnetv2_pytorch/README.md` of Efficient-AI-Backbones: the batch is that of 8 GPUs
    /// together. Its learning-rate noise is left out.
    pub fn paper(preprocess: &Preprocess) -> Self {
        let rate = 0.064;
        let recipe = Recipe {
            epochs: 450,
            batch: 1024,
            accumulate: 1,
            rule: Rule::RmsPropTf(RmsPropTf::default()),
            rate,
            groups: Groups::decaying(1e-5),
            warmup_epochs: 3.0,
            warmup_start: 1e-6 / rate,
            course: Course::Every { epochs: 2.4, gamma: 0.973 },
            clip: None,
            ema: Some(Decay { decay: 0.9999, warmup: false }),
            seed: 42,
        };
        let crop = Crop::RandomResized {
            scale: (0.08, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
            resampling: Resampling::Random,
        };
        let augment = Augment {
            rand_augment: Some(RandAugment::default()),
            erase: Some(Erase { probability: 0.2, fill: Fill::Noise }),
            ..plain(preprocess, crop)
        };
        Self { recipe, augment, smoothing: 0.1, dropout: 0.2 }
    }

    /// From trained weights to other classes: 20 epochs at a low rate.
    pub fn finetune(preprocess: &Preprocess) -> Self {
        let recipe = Recipe {
            epochs: 20,
            batch: 32,
            accumulate: 1,
            rule: Rule::AdamW(AdamW::default()),
            rate: 5e-4,
            groups: Groups::decaying(0.05),
            warmup_epochs: 1.0,
            warmup_start: 0.01,
            course: Course::Cosine { end: 0.01 },
            clip: Some(5.0),
            ema: Some(Decay { decay: 0.998, warmup: true }),
            seed: 0,
        };
        let crop = Crop::RandomResized {
            scale: (0.35, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
            resampling: Resampling::Random,
        };
        Self { recipe, augment: plain(preprocess, crop), smoothing: 0.1, dropout: 0.2 }
    }

    /// Small pictures from scratch: what the built-in model for Tiny-ImageNet was trained with.
    pub fn small(preprocess: &Preprocess) -> Self {
        let recipe = Recipe {
            epochs: 10,
            batch: 128,
            accumulate: 1,
            rule: Rule::AdamW(AdamW::default()),
            rate: 2.5e-3,
            groups: Groups::decaying(0.05),
            warmup_epochs: 0.0,
            warmup_start: 0.0,
            course: Course::OneCycle { rise: 0.15 },
            clip: None,
            ema: None,
            seed: 0,
        };
        let augment = plain(preprocess, Crop::Padded { pixels: 6 });
        Self { recipe, augment, smoothing: 0.1, dropout: 0.1 }
    }
}

/// A crop and a flip, to the input of `preprocess`.
fn plain(preprocess: &Preprocess, crop: Crop) -> Augment {
    Augment {
        size: (preprocess.height(), preprocess.width()),
        crop,
        flip: 0.5,
        colour: None,
        rand_augment: None,
        erase: None,
        mix: Mix::default(),
        mean: preprocess.mean(),
        std: preprocess.std(),
    }
}
