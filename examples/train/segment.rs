//! `train segment`: Semantic FPNs.

use crate::freeze::FreezeArgs;
use crate::recipe::RecipeArgs;
use crate::run::RunArgs;
use crate::start::StartArgs;
use anyhow::Result;
use candle::Device;
use clap::{Args, ValueEnum};
use cli::exit::Outcome;
use cli::headed::{Headed, sized};
use cli::model::parse_size;
use cli::pictures::PictureArgs;
use cli::{progress, scenes};
use ghostnetv2::weights::Checkpoint;
use heads::data::DataError;
use heads::data::pixels::{self, Split};
use heads::segmentation::{Average, Preset, SemanticFpn, SemanticFpnConfig};
use serde_json::json;
use std::path::PathBuf;
use train::data::{Meaning, Room, SegmentationSet};
use train::dense::{LabelCrop, PhotometricDistortion, SegmentationAugment};
use train::segmenter::{SegmentationTask, Segmenter, recipe};
use train::{Recipe, Start};

#[derive(Args, Debug)]
pub(crate) struct SegmentArgs {
    /// A folder with train/images, train/labels, val/images and val/labels, or the same in ADE20K's
    /// or CamVid's own order
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// What the values of the masks mean
    #[arg(long, value_enum, value_name = "LAYOUT", default_value_t = Layout::Folders)]
    layout: Layout,
    /// In the masks 0 is no class and 1 the first, as always in ADE20K
    #[arg(long)]
    reduce_zero_label: bool,
    /// How many classes there are [default: the layout's, or as many as the masks show]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    num_classes: Option<u8>,
    /// Names of the classes, one a line [default: the layout's]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    start: StartArgs,
    /// What the shorter side of a picture becomes, at scale 1 and when it is scored, in pixels
    /// [default: the preset's own]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// The part of a picture that the network sees in training, a side or HEIGHTxWIDTH, in pixels
    /// [default: --size, rounded up to a multiple of 32]
    #[arg(long, value_name = "N")]
    crop_size: Option<String>,
    /// Numbers of the training that others, or this project, use [default: mmseg for its preset,
    /// else small]
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
    /// 160,000 steps of SGD.
    Mmseg,
    /// 40,000 steps of AdamW.
    Poolformer,
    /// For some hundreds or thousands of pictures.
    Small,
}

impl Named {
    fn recipe(self) -> Recipe {
        match self {
            Self::Mmseg => recipe::mmseg(),
            Self::Poolformer => recipe::poolformer(),
            Self::Small => recipe::small(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// 150 classes; 0 is none and 1 the first.
    Ade20k,
    /// 11 classes; 11 is none.
    Camvid,
    /// Values are classes; 255 is none.
    Folders,
}

pub(crate) fn run(args: &SegmentArgs) -> Result<Outcome> {
    let device = args.run.open()?;
    let (task, start, preset) = args.setup(device)?;
    let default = if preset == Preset::Mmseg { Named::Mmseg } else { Named::Small };
    let mut recipe = args.recipe.unwrap_or(default).recipe();
    args.change.change(&mut recipe)?;
    let (head, backbone) = (&task.segmenter.config, &task.segmenter.backbone);
    start.check(|vb| SemanticFpn::ghostnet(head, backbone, vb))?;
    let variables = args.run.variables(start.builder(recipe.seed, &task.device));
    let variables = args.freeze.apply(variables);
    let mut network = task.segmenter.network(&variables)?;
    args.freeze.check(&variables)?;
    args.run.train(&task, &mut network, &recipe)
}

impl SegmentArgs {
    /// Looks at all data, and finds the weights to start from.
    fn setup(&self, device: Device) -> Result<(SegmentationTask, Start, Preset)> {
        let quiet = self.run.quiet;
        let (headed, checkpoint): (Headed<Preset>, _) =
            self.start.headed().open_to_train("semantic_fpn", quiet)?;
        let mut config = headed.preset.config();
        config.input = sized(config.input, self.size, headed.told_size()?)?;

        let room = self.run.room();
        let classes = self.num_classes.map(usize::from);
        let train = self.open(Split::Train, classes, &room, quiet)?;
        config.classes = train.classes();
        let val = self.open(Split::Val, Some(config.classes), &room, quiet)?;
        let names = scenes::names(config.classes, None, self.labels.as_deref())?;

        let start = begin(&headed, &config, checkpoint, &|text| self.run.say(text))?;
        let description = json!({
            "architecture": headed.backbone.name(),
            "num_classes": config.classes,
            "label_names": names,
            "head": {
                "type": "semantic_fpn",
                "preset": headed.preset.name(),
                "size": config.input.short_side,
            },
        });
        let crop = match &self.crop_size {
            Some(size) => parse_size(size)?,
            None => [config.input.short_side.next_multiple_of(32) as u32; 2].into(),
        };
        let mmseg = headed.preset == Preset::Mmseg;
        let augment = SegmentationAugment {
            input: config.input,
            scales: (0.5, 2.0),
            crop: LabelCrop { size: (crop.0 as usize, crop.1 as usize), most: 0.75 },
            flip: 0.5,
            colour: Some(PhotometricDistortion::default()),
        };
        let average = if mmseg { Average::All } else { Average::Labelled };
        let freeze_norms = self.freeze.norms;
        let backbone = headed.backbone;
        let segmenter = Segmenter { config, backbone, augment, average, freeze_norms };
        let preset = headed.preset;
        let task = SegmentationTask { segmenter, train, val, names, description, device };
        Ok((task, start, preset))
    }

    /// A part of the data, with a bar while it is looked at.
    fn open(
        &self,
        split: Split,
        classes: Option<usize>,
        room: &Room,
        quiet: bool,
    ) -> Result<SegmentationSet, DataError> {
        let layout = match self.layout {
            Layout::Ade20k => pixels::Layout::Ade20k,
            Layout::Camvid => pixels::Layout::Camvid,
            Layout::Folders => pixels::Layout::Folders,
        };
        let meaning = Meaning { layout, reduce_zero_label: self.reduce_zero_label, classes };
        let bar = progress::items(usize::MAX, "pictures checked", quiet);
        let done = |total: usize| {
            bar.set_length(total as u64);
            bar.inc(1);
        };
        let options = self.decode.options_for_places();
        let set = SegmentationSet::open(&self.data, split, meaning, options, room.clone(), &done);
        bar.finish_and_clear();
        set
    }
}

/// The weights to start from.
fn begin(
    headed: &Headed<Preset>,
    config: &SemanticFpnConfig,
    checkpoint: Checkpoint,
    note: &dyn Fn(&str),
) -> Result<Start> {
    if !checkpoint.names().any(|name| name.starts_with(config.class_layer())) {
        return Ok(Start::backbone(config.names.backbone(), checkpoint));
    }
    let known = config.with_classes_of(&checkpoint)?;
    // Everything that does not fit is said here, together.
    SemanticFpn::load(&known, &headed.backbone, &checkpoint, &Device::Cpu)?;
    if known.classes == config.classes {
        return Ok(Start::Whole { checkpoint, replaced: None });
    }
    note(&format!(
        "{}: its {} classes are others than the {} of the masks: the layer that tells them starts \
         anew",
        checkpoint.origin(),
        known.classes,
        config.classes
    ));
    let replaced = Some(config.class_layer().to_owned());
    Ok(Start::Whole { checkpoint, replaced })
}
