//! The model that the arguments name, ready to run, with its labels and preprocessing.

use crate::backend::{Backend, Net};
use crate::calibrate::Uncalibrated;
use crate::exit::Usage;
use crate::fingerprint::Fingerprint;
use crate::labels::Labels;
use crate::launches::Launches;
use anyhow::{Context, Result};
use candle::Device;
use clap::Args;
use ghostnetv2::preprocess::Preprocess;
use ghostnetv2::weights::{Checkpoint, ModelSource};
use ghostnetv2::{Config, MIN_SIDE};
use serde_json::json;
use std::path::PathBuf;

/// The model that ships, part of the program.
pub(crate) const DEFAULT: ModelSource = ModelSource::Embedded {
    name: "the built-in ghostnetv2_100-tiny-imagenet",
    weights: include_bytes!("../../assets/ghostnetv2_100-tiny-imagenet/model.safetensors"),
    config: include_str!("../../assets/ghostnetv2_100-tiny-imagenet/config.json"),
};

/// Its ranges for int8, made as its README says.
const DEFAULT_RANGES: &str =
    include_str!("../../assets/ghostnetv2_100-tiny-imagenet/calibration.json");

/// `--model`, `--weights`, `--which`, `--size`, `--unfused`, `--offline`.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// A published model (ghostnetv2_100, _130, _160, ghostnet_100, ghostnetv3_100), a repository
    /// hf:org/repo[@revision], a folder with config.json and model.safetensors, or a .safetensors
    /// file [default: a GhostNetV2 1.0x for the 200 classes of Tiny-ImageNet, built in]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// A .safetensors file with timm's tensor names
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    weights: Option<PathBuf>,
    /// The architecture of the weights, such as ghostnetv2_130, where their config.json does not
    /// tell; without --model and --weights, the published model of that name
    #[arg(long, value_name = "NAME")]
    which: Option<String>,
    /// Side of the input in pixels, or HEIGHTxWIDTH [default: the model's own]
    #[arg(long, value_name = "N")]
    size: Option<String>,
    /// Keep GhostNetV3's training branches instead of fusing them; computes on candle
    #[arg(long)]
    unfused: bool,
    /// Use only what the hub's cache on this machine holds
    #[arg(long)]
    offline: bool,
}

/// A network that is ready to run.
#[derive(Debug)]
pub struct Model {
    /// The network, in evaluation.
    pub net: Net,
    /// Its architecture.
    pub config: Config,
    /// From a picture to its input.
    pub preprocess: Preprocess,
    /// Names of its classes.
    pub labels: Labels,
    /// How many classes.
    pub classes: usize,
    /// Where the weights came from.
    pub origin: String,
}

impl ModelArgs {
    /// Finds, checks and loads the model; a plan is laid out for `batch` pictures.
    ///
    /// # Errors
    /// Whatever is wrong with the arguments, the files, or the hub.
    pub fn open(&self, backend: &Backend, batch: usize, quiet: bool) -> Result<Model> {
        let checkpoint = self.checkpoint(quiet)?;
        let config = self.config(&checkpoint)?;
        let preprocess = self.preprocess(&checkpoint)?;
        let classes = checkpoint.classes().unwrap_or_default();
        let net = match backend {
            Backend::Plan(options, calibrate) => {
                let (height, width) = (preprocess.height() as usize, preprocess.width() as usize);
                let shape = [batch, config.in_channels, height, width];
                let plain = Uncalibrated { checkpoint: &checkpoint, config: &config };
                let built_in = self.is_default().then_some(DEFAULT_RANGES);
                let options = calibrate.complete(options, &plain, &preprocess, built_in)?;
                Net::Plan(Box::new(checkpoint.plan(Some(&config), &shape, &options)?))
            }
            Backend::Candle(device) => {
                let mut net = checkpoint.ghostnet(Some(&config), device)?;
                if !self.unfused {
                    net.fuse()?;
                }
                Net::Candle(Box::new(net), device.clone())
            }
            Backend::Launches(device, dtype) => {
                let mut net = checkpoint.ghostnet(Some(&config), &Device::Cpu)?;
                net.fuse()?;
                Net::Launches(Box::new(Launches::new(net, device.clone(), *dtype)))
            }
        };
        let labels = Labels::of_model(checkpoint.timm_config(), classes)?;
        let origin = checkpoint.origin().to_owned();
        Ok(Model { net, config, preprocess, labels, classes, origin })
    }

    /// Where the weights come from, and their fingerprint.
    ///
    /// # Errors
    /// As [`ModelArgs::open`].
    pub fn fingerprint(&self, quiet: bool) -> Result<String> {
        let checkpoint = self.checkpoint(quiet)?;
        let fingerprint = Fingerprint::of_checkpoint(&checkpoint)?;
        Ok(format!("{} ({fingerprint})", checkpoint.origin()))
    }

    /// The flag that only candle can do, if it is given: plans sum V3's branches.
    pub fn only_candle(&self) -> Option<&'static str> {
        self.unfused.then_some("--unfused")
    }

    /// The tensors and what is known of them.
    fn checkpoint(&self, quiet: bool) -> Result<Checkpoint> {
        open(&self.source()?, self.offline, quiet)
    }

    /// The architecture of a checkpoint: as `--which` says, else as it says itself.
    fn config(&self, checkpoint: &Checkpoint) -> Result<Config> {
        match &self.which {
            // Its own config.json says the same, and more, where --which only chose it.
            Some(which) if self.model.is_some() || self.weights.is_some() => {
                let named = named(which)?;
                let fused = checkpoint.config().is_ok_and(|config| config.reparameterized);
                Ok(Config { reparameterized: fused, ..named })
            }
            _ => Ok(checkpoint.config()?),
        }
    }

    fn source(&self) -> Result<ModelSource> {
        if let Some(which) = &self.which {
            named(which)?;
        }
        Ok(match (&self.weights, &self.model, &self.which) {
            (Some(file), ..) => ModelSource::path(file.clone())?,
            (_, Some(model), _) if model == "default" => DEFAULT,
            (_, Some(model), _) => ModelSource::parse(model)?,
            (_, _, Some(which)) => ModelSource::parse(which)?,
            _ => DEFAULT,
        })
    }

    /// Whether the model is the one that ships.
    fn is_default(&self) -> bool {
        let named = self.model.as_deref().is_none_or(|model| model == "default");
        named && self.weights.is_none() && (self.model.is_some() || self.which.is_none())
    }

    fn preprocess(&self, checkpoint: &Checkpoint) -> Result<Preprocess> {
        let cfg = checkpoint.timm_config().map_or_else(|| json!({}), |c| c.pretrained_cfg());
        let preprocess = Preprocess::from_timm(&cfg)
            .with_context(|| format!("pretrained_cfg of {}", checkpoint.origin()))?;
        let Some(size) = &self.size else { return Ok(preprocess) };
        let (height, width) = parse_size(size)?;
        preprocess
            .with_size(height, width)
            .map_err(|error| Usage(format!("--size: {error}")).into())
    }
}

/// The tensors of the model of a name, or of the one that ships where it is `default`.
///
/// # Errors
/// Whatever keeps them from being found, read or trusted.
pub fn checkpoint(name: &str, offline: bool, quiet: bool) -> Result<Checkpoint> {
    let source = if name == "default" { DEFAULT } else { ModelSource::parse(name)? };
    open(&source, offline, quiet)
}

/// The tensors of a source and what is known of them, through the hub where they are there.
///
/// # Errors
/// Whatever keeps them from being found, read or trusted.
pub(crate) fn open(source: &ModelSource, offline: bool, quiet: bool) -> Result<Checkpoint> {
    #[cfg(feature = "hub")]
    if let ModelSource::Hub(_) = source {
        use ghostnetv2::hub::{Hub, HubConfig};
        let hub = || -> Result<Hub, ghostnetv2::hub::HubError> {
            let mut config = HubConfig::from_env()?;
            config.offline |= offline;
            Hub::new(config)
        };
        let hub = hub().map_err(ghostnetv2::Error::from)?;
        return Ok(source.open(&hub, &mut crate::progress::Download::new(quiet))?);
    }
    let _ = (offline, quiet);
    Ok(source.open_local()?)
}

/// The configuration that a name stands for.
///
/// # Errors
/// [`Usage`] with what was expected.
pub fn named(which: &str) -> Result<Config> {
    Config::from_name(which).ok_or_else(|| {
        let text = format!(
            "--which {which}: expected a name such as ghostnetv2_100: ghostnet, \
                            ghostnetv2 or ghostnetv3, and the width in hundredths"
        );
        Usage(text).into()
    })
}

/// `N` or `HxW`, both at least the smallest input.
///
/// # Errors
/// [`Usage`] with what was expected.
pub fn parse_size(text: &str) -> Result<(u32, u32)> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let side = |side: &str| side.parse::<u32>().ok().filter(|&n| n as usize >= MIN_SIDE);
    side(height).zip(side(width)).ok_or_else(|| {
        let text =
            format!("--size {text}: expected N or HxW with sides of at least {MIN_SIDE} pixels");
        Usage(text).into()
    })
}
