//! Networks with a head for places in pictures: whose layout, on which backbone, with what weights.

use crate::compute::Compute;
use crate::exit::Usage;
use crate::fingerprint::Fingerprint;
use crate::model;
use crate::networks::{Network, Ready};
use anyhow::Result;
use candle::DType;
use clap::Args;
use ghostnetv2::weights::{Checkpoint, ModelSource, TimmConfig};
use ghostnetv2::{Config, MIN_SIDE};
use heads::Seeded;
use heads::placement::InputConfig;
use serde_json::Value;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// The seed of heads that are not trained.
const SEED: u64 = 0x2211_12905;

/// `--model`, `--weights`, `--preset`, `--which`, `--offline`.
#[derive(Args, Clone, Debug)]
pub struct HeadedArgs {
    /// A folder with config.json and model.safetensors, a repository hf:org/repo[@revision] of the
    /// same, or a .safetensors file [default: built in are, for detection, a RetinaNet that finds
    /// people in photographs and knows COCO's other 79 categories poorly, and, for segmentation, a
    /// Semantic FPN for the 11 classes of CamVid, streets seen from a car; with --preset, the
    /// built-in backbone under a head that is not trained, which shows how everything works and
    /// finds nothing]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// A .safetensors file
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    weights: Option<PathBuf>,
    /// Whose layout and constants the network has [default: `head.preset` of config.json, else
    /// lite]
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// The backbone of the weights, such as ghostnetv2_130 [default: `architecture` of
    /// config.json, else ghostnetv2_100]
    #[arg(long, value_name = "NAME")]
    which: Option<String>,
    /// Use only what the hub's cache on this machine holds
    #[arg(long)]
    offline: bool,
}

/// A kind of network with a head, of which one that is trained is part of the program.
pub trait Shipped {
    /// That one.
    const BUILT_IN: ModelSource;
}

/// What to build a network from.
#[derive(Debug)]
pub struct Headed<P> {
    /// Whose layout.
    pub preset: P,
    /// The backbone.
    pub backbone: Config,
    /// The weights, where there are any.
    pub checkpoint: Option<Checkpoint>,
    /// `head` of `config.json`, where it is about this kind of network.
    told: Option<Value>,
}

impl HeadedArgs {
    /// Of a training: where its weights come from, and whose layout it has.
    pub fn of_training(
        init: Option<&str>,
        preset: Option<&str>,
        which: Option<&str>,
        offline: bool,
    ) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (model, preset, which) = (owned(init), owned(preset), owned(which));
        Self { model, weights: None, preset, which, offline }
    }

    /// As [`HeadedArgs::open`], with the weights of a classifier, or of a whole network: of `kind`, the
    /// `head.type` of its `config.json`, or of another, of which only the backbone matters. Where none
    /// are named, those of the classifier that ships.
    ///
    /// # Errors
    /// As there.
    pub fn open_to_train<P>(&self, kind: &str, quiet: bool) -> Result<(Headed<P>, Checkpoint)>
    where
        P: FromStr<Err: Display>,
    {
        let mut headed = self.open_or(None, Some(kind), quiet)?;
        let checkpoint = match headed.checkpoint.clone() {
            Some(checkpoint) => checkpoint,
            None => model::DEFAULT.open_local()?,
        };
        // A classifier's tensors tell what it is, where no file beside them does.
        if let (None, Ok(config)) = (&self.which, checkpoint.config()) {
            headed.backbone = config;
        }
        Ok((headed, checkpoint))
    }

    /// Finds and opens the weights; those that ship where neither weights nor a preset are named.
    ///
    /// # Errors
    /// Whatever is wrong with the arguments, the files, or the hub.
    pub fn open<P>(&self, quiet: bool) -> Result<Headed<P>>
    where
        P: FromStr<Err: Display> + Shipped,
    {
        self.open_or(self.preset.is_none().then_some(P::BUILT_IN), None, quiet)
    }

    fn open_or<P>(
        &self,
        built_in: Option<ModelSource>,
        kind: Option<&str>,
        quiet: bool,
    ) -> Result<Headed<P>>
    where
        P: FromStr<Err: Display>,
    {
        let named = match (&self.weights, &self.model) {
            (Some(file), _) => Some(ModelSource::path(file.clone())?),
            (_, Some(model)) => Some(ModelSource::parse(model)?),
            _ => None,
        };
        let source = if self.which.is_some() { named } else { named.or(built_in) };
        if source.is_none() && self.which.is_some() {
            let text = "--which: there are no weights to it: expected --weights or --model too";
            return Err(Usage(text.into()).into());
        }
        let checkpoint =
            source.map(|source| model::open(&source, self.offline, quiet)).transpose()?;
        let config = checkpoint.as_ref().and_then(Checkpoint::timm_config);
        let backbone = match (&self.which, config) {
            (Some(which), _) => model::named(which)?,
            (None, Some(config)) => config.config()?,
            (None, None) => Config::v2(1.0),
        };
        let alike = |head: &&Value| {
            let told = head.get("type").and_then(Value::as_str);
            kind.zip(told).is_none_or(|(kind, told)| kind == told)
        };
        let told = config.and_then(|config| config.get("head")).filter(alike).cloned();
        let preset = self.preset::<P>(told.as_ref())?;
        Ok(Headed { preset, backbone, checkpoint, told })
    }

    fn preset<P>(&self, head: Option<&Value>) -> Result<P>
    where
        P: FromStr<Err: Display>,
    {
        let told = head.and_then(|head| head.get("preset")?.as_str());
        let (name, origin) = match (&self.preset, told) {
            (Some(name), _) => (name.as_str(), "--preset"),
            (None, Some(name)) => (name, "config.json: head.preset"),
            (None, None) => ("lite", "--preset"),
        };
        name.parse().map_err(|error| Usage(format!("{origin}: {error}")).into())
    }
}

impl<P> Headed<P> {
    /// Where the weights came from.
    pub fn origin(&self) -> String {
        match &self.checkpoint {
            Some(checkpoint) => checkpoint.origin().to_owned(),
            None => "a backbone trained on Tiny-ImageNet, a head that is not trained".into(),
        }
    }

    /// Where the weights come from, and their fingerprint.
    ///
    /// # Errors
    /// Weights that can't be read or trusted.
    pub fn fingerprint(&self) -> Result<String> {
        let fingerprint = match &self.checkpoint {
            Some(checkpoint) => Fingerprint::of_checkpoint(checkpoint)?,
            None => SEED.to_string(),
        };
        Ok(format!("{} ({fingerprint})", self.origin()))
    }

    /// `head.size` of `config.json`: what the network was trained for.
    ///
    /// # Errors
    /// [`Usage`]: something else than a number of pixels.
    pub fn told_size(&self) -> Result<Option<usize>> {
        let told = self.told.as_ref().and_then(|head| head.get("size"));
        let Some(told) = told else { return Ok(None) };
        let size = told.as_u64().and_then(|size| usize::try_from(size).ok());
        let text = format!("config.json: head.size {told}: expected a number of pixels");
        size.map(Some).ok_or_else(|| Usage(text).into())
    }

    /// What `config.json` says, where there is one.
    pub fn timm_config(&self) -> Option<&TimmConfig> {
        self.checkpoint.as_ref()?.timm_config()
    }
}

impl<P> Headed<P> {
    /// The input for the size that is asked for, else for that which `config.json` tells.
    ///
    /// # Errors
    /// [`Usage`]: a size that there can't be.
    pub(crate) fn sized(&self, input: InputConfig, asked: Option<usize>) -> Result<InputConfig> {
        sized(input, asked, self.told_size()?)
    }

    /// A network of a kind, with the weights; a plan is laid out for `batch` pictures.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub(crate) fn ready<N: Network>(
        &self,
        config: &N::Config,
        (compute, batch): (&Compute, usize),
    ) -> Result<Ready<N>> {
        let device = compute.device();
        let drawn = |backbone| Ok(untrained(backbone)?.var_builder(DType::F32, device));
        let net = N::open(config, &self.backbone, self.checkpoint.as_ref(), device, drawn)?;
        Ok(Ready::new(net, compute, batch)?)
    }
}

/// The input for the size that is asked for, else for that which `config.json` tells.
///
/// # Errors
/// [`Usage`]: a size that there can't be.
pub fn sized(input: InputConfig, asked: Option<usize>, told: Option<usize>) -> Result<InputConfig> {
    let (size, origin) = match (asked, told) {
        (Some(size), _) => (size, "--size"),
        (None, Some(size)) => (size, "config.json: head.size"),
        (None, None) => return Ok(input),
    };
    if size < MIN_SIDE {
        return Err(Usage(format!("{origin} {size}: expected at least {MIN_SIDE} pixels")).into());
    }
    let input = input.with_side(size);
    input.check().map_err(|error| Usage(format!("{origin} {size}: {error}")))?;
    Ok(input)
}

/// Weights of a head that is not trained, on the built-in backbone, which lies at `backbone`.
fn untrained(backbone: &str) -> Result<Seeded> {
    Ok(Seeded::new(SEED).with_known(backbone, model::DEFAULT.open_local()?))
}
