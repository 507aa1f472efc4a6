//! `train detect`: RetinaNets.

use crate::freeze::FreezeArgs;
use crate::recipe::RecipeArgs;
use crate::run::RunArgs;
use crate::start::StartArgs;
use anyhow::Result;
use candle::Device;
use clap::{Args, ValueEnum};
use cli::exit::Outcome;
use cli::headed::{Headed, sized};
use cli::objects::Objects;
use cli::pictures::PictureArgs;
use cli::progress;
use ghostnetv2::picture::DecodeOptions;
use ghostnetv2::weights::Checkpoint;
use heads::data::DataError;
use heads::retinanet::{Preset, RetinaNet, RetinaNetConfig};
use serde_json::json;
use std::path::{Path, PathBuf};
use train::data::{DetectionSet, Room};
use train::dense::{DetectionAugment, FixedCrop, IouCrop, PhotometricDistortion, ScaleJitter};
use train::detector::{DetectionTask, Detector, recipe};
use train::{Recipe, Start};

#[derive(Args, Debug)]
pub(crate) struct DetectArgs {
    /// The pictures to learn from
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What is to be found in them, in COCO's form
    #[arg(long, value_name = "FILE")]
    annotations: PathBuf,
    /// The pictures to be scored on [default: those of --data]
    #[arg(long, value_name = "DIR")]
    val_data: Option<PathBuf>,
    /// What is to be found in them, in COCO's form
    #[arg(long, value_name = "FILE")]
    val_annotations: PathBuf,
    #[command(flatten)]
    start: StartArgs,
    /// Side of the square input that it is trained on, and what pictures are fitted to when it is
    /// scored, in pixels [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// How pictures are changed before the network sees them
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Augmentation::Jitter)]
    data_augmentation: Augmentation,
    /// Numbers of the training that others, or this project, use [default: that of the preset; lite
    /// has small]
    #[arg(long, value_enum, value_name = "NAME")]
    recipe: Option<Named>,
    #[command(flatten)]
    change: RecipeArgs,
    #[command(flatten)]
    freeze: FreezeArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    decode: PictureArgs,
}

/// A recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Named {
    /// 26 epochs of SGD.
    Torchvision,
    /// 12 epochs of SGD.
    Mmdet,
    /// 600 epochs of AdamW; give --batch-size.
    Mobilenetv4,
    /// For some hundreds or thousands of pictures.
    Small,
}

impl Named {
    fn recipe(self) -> Recipe {
        match self {
            Self::Torchvision => recipe::torchvision(),
            Self::Mmdet => recipe::mmdet(),
            Self::Mobilenetv4 => recipe::mobilenetv4(),
            Self::Small => recipe::small(),
        }
    }
}

pub(crate) fn run(args: &DetectArgs) -> Result<Outcome> {
    let device = args.run.open()?;
    let (task, start, preset) = args.setup(device)?;
    let named = args.recipe.unwrap_or(match preset {
        Preset::Torchvision | Preset::TorchvisionV2 => Named::Torchvision,
        Preset::Mmdet => Named::Mmdet,
        Preset::Lite => Named::Small,
    });
    let mut recipe = named.recipe();
    args.change.change(&mut recipe)?;
    let (head, backbone) = (&task.detector.config, &task.detector.backbone);
    start.check(|vb| RetinaNet::ghostnet(head, backbone, vb))?;
    let variables = args.run.variables(start.builder(recipe.seed, &task.device));
    let variables = args.freeze.apply(variables);
    let mut network = task.detector.network(&variables)?;
    args.freeze.check(&variables)?;
    args.run.train(&task, &mut network, &recipe)
}

/// Every kind exchanges left and right every other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Augmentation {
    /// In no other way.
    Hflip,
    /// Sizes from half to twice, other colours.
    Jitter,
    /// Sizes from a tenth to twice (large-scale jitter).
    Lsj,
    /// SSD's crops, other colours.
    Ssd,
}

impl DetectArgs {
    /// Looks at all data, and finds the weights to start from.
    fn setup(&self, device: Device) -> Result<(DetectionTask, Start, Preset)> {
        let quiet = self.run.quiet;
        let (headed, checkpoint): (Headed<Preset>, _) =
            self.start.headed().open_to_train("retinanet", quiet)?;
        let mut config = headed.preset.config();
        config.input = sized(config.input, self.size, headed.told_size()?)?;

        let options = self.decode.options_for_places();
        let room = self.run.room();
        let mut train = open(&self.annotations, &self.data, &options, &room, quiet)?;
        let val_data = self.val_data.as_deref().unwrap_or(&self.data);
        let mut val = open(&self.val_annotations, val_data, &options, &room, quiet)?;

        let (start, classes) =
            begin(&headed, &config, checkpoint, train.classes(), &|text| self.run.say(text))?;
        config.classes = classes.len();
        train = train.with_classes(&classes)?;
        val = val.with_classes(&classes)?;
        let name = |class: &u64| {
            let known = train.truth().categories.iter().find(|known| known.id == *class);
            known.map_or_else(|| format!("class {class}"), |known| known.name.clone())
        };
        let description = json!({
            "architecture": headed.backbone.name(),
            "num_classes": classes.len(),
            "label_names": classes.iter().map(name).collect::<Vec<_>>(),
            "head": {
                "type": "retinanet",
                "preset": headed.preset.name(),
                "size": config.input.short_side,
                "category_ids": classes,
            },
        });
        let side = config.input.short_side.next_multiple_of(32);
        let augment = self.data_augmentation.augment(&config, side);
        let detector = Detector {
            config,
            backbone: headed.backbone,
            augment,
            size: (side, side),
            freeze_norms: self.freeze.norms,
        };
        Ok((DetectionTask { detector, train, val, description, device }, start, headed.preset))
    }
}

/// A data set, with a bar while it is looked at.
fn open(
    annotations: &Path,
    folder: &Path,
    options: &DecodeOptions,
    room: &Room,
    quiet: bool,
) -> Result<DetectionSet, DataError> {
    let bar = progress::items(usize::MAX, "pictures checked", quiet);
    let done = |total: usize| {
        bar.set_length(total as u64);
        bar.inc(1);
    };
    let set = DetectionSet::open(annotations, folder, options.clone(), room.clone(), &done);
    bar.finish_and_clear();
    set
}

/// The weights to start from, and the category of each class.
fn begin(
    headed: &Headed<Preset>,
    config: &RetinaNetConfig,
    checkpoint: Checkpoint,
    wanted: &[u64],
    note: &dyn Fn(&str),
) -> Result<(Start, Vec<u64>)> {
    if !checkpoint.names().any(|name| name.starts_with(config.class_layer())) {
        return Ok((Start::backbone(config.names.backbone(), checkpoint), wanted.to_vec()));
    }
    let known = config.with_classes_of(&checkpoint)?;
    // Everything that does not fit is said here, together.
    RetinaNet::load(&known, &headed.backbone, &checkpoint, &Device::Cpu)?;
    let objects = Objects::new(known.classes, checkpoint.timm_config(), None)?;
    let classes = objects.categories();
    // torchvision's 91 are COCO's 80 and gaps.
    let as_many = classes.len() == wanted.len() || (classes.len() == 91 && wanted.len() == 80);
    if as_many && wanted.iter().all(|category| classes.contains(category)) {
        return Ok((Start::Whole { checkpoint, replaced: None }, classes.to_vec()));
    }
    note(&format!(
        "{}: its {} classes are others than the {} of the annotations: the layer that tells them \
         starts anew",
        checkpoint.origin(),
        classes.len(),
        wanted.len()
    ));
    let replaced = Some(config.class_layer().to_owned());
    Ok((Start::Whole { checkpoint, replaced }, wanted.to_vec()))
}

impl Augmentation {
    fn augment(self, config: &RetinaNetConfig, side: usize) -> DetectionAugment {
        let scales = match self {
            Self::Hflip | Self::Ssd => (1.0, 1.0),
            Self::Jitter => (0.5, 2.0),
            Self::Lsj => (0.1, 2.0),
        };
        let colourful = matches!(self, Self::Jitter | Self::Ssd);
        let size = (side, side);
        DetectionAugment {
            colour: colourful.then(PhotometricDistortion::default),
            iou_crop: (self == Self::Ssd).then(IouCrop::default),
            flip: 0.5,
            scale: ScaleJitter { target: size, scales, resampling: config.input.resampling },
            crop: FixedCrop { size, visible: 0.2, shortest: 1.0 },
        }
    }
}
