//! `train classify`: classifiers.

use crate::freeze::FreezeArgs;
use crate::recipe::RecipeArgs;
use crate::run::RunArgs;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use cli::exit::{Outcome, Usage};
use cli::{model, progress};
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::weights::Checkpoint;
use ghostnetv2::{Config, GhostNet};
use serde_json::{Value, json};
use std::path::PathBuf;
use train::Start;
use train::classify::augment::{ColourJitter, Crop, Erase, Fill, RandAugment};
use train::classify::{
    ClassFolders, Classification, ClassificationRecipe, Classifier, SoftTargets,
};

#[derive(Args, Debug)]
pub(crate) struct ClassifyArgs {
    /// The data set: train/CLASS/*.jpg and val/CLASS/*.jpg, or Tiny-ImageNet as it is unpacked
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The numbers that no flag says
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Name::Finetune)]
    recipe: Name,
    /// What to start from: a published name, a repository hf:org/repo[@revision], a folder with
    /// config.json and model.safetensors, a .safetensors file, `default` for the built-in model, or
    /// `none` for random weights [default: `default` for finetune, `none` for other recipes]
    #[arg(long, value_name = "MODEL")]
    init: Option<String>,
    /// The architecture, such as ghostnetv2_130, where --init is none or does not tell
    #[arg(long, value_name = "NAME")]
    which: Option<String>,
    /// Use only what the hub's cache on this machine holds
    #[arg(long)]
    offline: bool,
    /// Side of the input in pixels, or HEIGHTxWIDTH [default: that of --init, or 224; 64 for small]
    #[arg(long, value_name = "N")]
    size: Option<String>,
    #[command(flatten)]
    change: RecipeArgs,
    /// Share of every target that is spread over all classes
    #[arg(long, value_name = "X")]
    label_smoothing: Option<f64>,
    /// What a teacher says of the training pictures, as scripts/make_soft_targets.py writes it
    #[arg(long, value_name = "FILE")]
    soft_targets: Option<PathBuf>,
    /// Share of every target that is the teacher's
    #[arg(long, value_name = "X", default_value_t = 0.5, requires = "soft_targets")]
    soft_share: f64,
    /// Share of the features that drop out
    #[arg(long, value_name = "X")]
    dropout: Option<f32>,
    /// Of mixup; 0 is never
    #[arg(long, value_name = "X")]
    mixup_alpha: Option<f64>,
    /// Of CutMix; 0 is never
    #[arg(long, value_name = "X")]
    cutmix_alpha: Option<f64>,
    /// Random operations on pictures: timm's RandAugment at magnitude 9, or none
    #[arg(long, value_enum, value_name = "NAME")]
    auto_augment: Option<AutoAugment>,
    /// How often a rectangle of the picture is erased
    #[arg(long, value_name = "X")]
    random_erase: Option<f64>,
    /// Brightness, contrast and saturation change by up to this share
    #[arg(long, value_name = "X")]
    color_jitter: Option<f64>,
    /// How often left and right are exchanged
    #[arg(long, value_name = "X")]
    hflip: Option<f64>,
    /// Crop at random from the picture mirrored outwards by N pixels, not by random resizing
    #[arg(long, value_name = "N")]
    pad_crop: Option<u32>,
    #[command(flatten)]
    freeze: FreezeArgs,
    /// Don't decode every picture before the work starts
    #[arg(long)]
    no_check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Trained weights, other classes: 20 epochs of AdamW, cosine, random resized crops
    Finetune,
    /// Small pictures from scratch: 10 epochs of AdamW, one cycle, padded crops
    Small,
    /// GhostNetV2's on ImageNet: 450 epochs of RMSprop at batch 1024, RandAugment, EMA
    Paper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AutoAugment {
    Ra,
    None,
}

pub(crate) fn run(args: &ClassifyArgs) -> Result<Outcome> {
    let device = args.run.open()?;
    let start = args.start()?;
    let preprocess = args.preprocess(start.as_ref())?;
    let recipe = args.recipe(&preprocess)?;
    let data = ClassFolders::find(&args.data)?;
    let (train, val, classes) = (data.train.len(), data.val.len(), data.classes.len());
    args.run.say(&format!("{train} pictures of {classes} classes, {val} to be scored on"));

    let mut config = args.config(start.as_ref())?;
    config.dropout = recipe.dropout;
    let from = start.as_ref().map_or(Value::Null, |checkpoint| json!(checkpoint.origin()));
    let start = args.beginning(start, classes);
    start.check(|vb| GhostNet::new(&config, classes, vb))?;
    let variables = args.run.variables(start.builder(recipe.recipe.seed, &device));
    let variables = args.freeze.apply(variables);
    let classifier = Classifier::new(config, classes, args.freeze.norms);
    let mut network = classifier.network(&variables)?;
    args.freeze.check(&variables)?;
    let soft = args.soft_targets.as_deref();
    let soft = soft.map(|file| SoftTargets::read(file, args.soft_share, &data)).transpose()?;
    let (smoothing, room) = (recipe.smoothing, args.run.room());
    let mut task =
        Classification::new(data, classifier, recipe.augment, preprocess, smoothing, &room, device);
    task.begin_with(json!({ "init": from }));
    if let Some(soft) = soft {
        task.learn_from(soft);
    }
    if !args.no_check {
        let bar = progress::items(train + val, "pictures checked", args.run.quiet);
        task.check(&args.data, &|| bar.inc(1))?;
        bar.finish_and_clear();
    }
    args.run.train(&task, &mut network, &recipe.recipe)
}

impl ClassifyArgs {
    fn start(&self) -> Result<Option<Checkpoint>> {
        let default = if self.recipe == Name::Finetune { "default" } else { "none" };
        match self.init.as_deref().unwrap_or(default) {
            "none" => Ok(None),
            name => model::checkpoint(name, self.offline, self.run.quiet).map(Some),
        }
    }

    fn config(&self, start: Option<&Checkpoint>) -> Result<Config> {
        match (&self.which, start) {
            (Some(which), _) => model::named(which),
            (None, Some(checkpoint)) => Ok(checkpoint.config()?),
            (None, None) => Ok(Config::v2(1.0)),
        }
    }

    /// How pictures are scored: as the model to start from takes them.
    fn preprocess(&self, start: Option<&Checkpoint>) -> Result<Preprocess> {
        let told = start.and_then(Checkpoint::timm_config).map(|config| config.pretrained_cfg());
        let cfg = told.unwrap_or_else(|| match self.recipe {
            Name::Small => json!({ "input_size": [3, 64, 64], "crop_pct": 1.0 }),
            Name::Paper | Name::Finetune => json!({}),
        });
        let preprocess = Preprocess::from_timm(&cfg).context("pretrained_cfg of --init")?;
        let Some(size) = &self.size else { return Ok(preprocess) };
        let (height, width) = model::parse_size(size)?;
        preprocess
            .with_size(height, width)
            .map_err(|error| Usage(format!("--size: {error}")).into())
    }

    fn recipe(&self, preprocess: &Preprocess) -> Result<ClassificationRecipe> {
        let mut recipe = match self.recipe {
            Name::Finetune => ClassificationRecipe::finetune(preprocess),
            Name::Small => ClassificationRecipe::small(preprocess),
            Name::Paper => ClassificationRecipe::paper(preprocess),
        };
        self.change.change(&mut recipe.recipe)?;
        recipe.smoothing = self.label_smoothing.unwrap_or(recipe.smoothing);
        recipe.dropout = self.dropout.unwrap_or(recipe.dropout);
        let augment = &mut recipe.augment;
        augment.flip = self.hflip.unwrap_or(augment.flip);
        augment.mix.mixup_alpha = self.mixup_alpha.unwrap_or(augment.mix.mixup_alpha);
        augment.mix.cutmix_alpha = self.cutmix_alpha.unwrap_or(augment.mix.cutmix_alpha);
        if let Some(pixels) = self.pad_crop {
            augment.crop = Crop::Padded { pixels };
        }
        if let Some(auto_augment) = self.auto_augment {
            augment.rand_augment = (auto_augment == AutoAugment::Ra).then(RandAugment::default);
        }
        if let Some(strength) = self.color_jitter {
            augment.colour = (strength > 0.0).then_some(ColourJitter { strength });
        }
        if let Some(probability) = self.random_erase {
            let fill = augment.erase.map_or(Fill::Mean, |erase| erase.fill);
            augment.erase = (probability > 0.0).then_some(Erase { probability, fill });
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        let checks = [
            ("--label-smoothing", share(recipe.smoothing)),
            ("--dropout", share(recipe.dropout.into())),
            ("--hflip", (0.0..=1.0).contains(&augment.flip)),
            ("--soft-share", (0.0..=1.0).contains(&self.soft_share)),
        ];
        match checks.iter().find(|(_, good)| !good) {
            Some((flag, _)) => Err(Usage(format!("{flag}: expected a share from 0 to 1")).into()),
            None => Ok(recipe),
        }
    }

    /// What the network's variables begin as.
    fn beginning(&self, start: Option<Checkpoint>, classes: usize) -> Start {
        let Some(checkpoint) = start else { return Start::Drawn };
        let other = checkpoint.classes().is_none_or(|known| known != classes);
        if other {
            let known = checkpoint.classes().unwrap_or_default();
            self.run.say(&format!(
                "{} has {known} classes: its classifier is replaced by a new one for {classes}",
                checkpoint.origin()
            ));
        }
        Start::Whole { checkpoint, replaced: other.then(|| "classifier".into()) }
    }
}
