//! Where a model comes from: a name on the hub, a folder, a file, or the program itself.

use super::file::open_file;
use super::{Checkpoint, TimmConfig};
use crate::{Config, Error, Release};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// timm's names with published weights, and the revision of each where its full hash is known:
/// a pinned revision always gives the same bytes, and needs no request once it is in the cache.
const PUBLISHED: [(&str, Option<&str>); 5] = [
    ("ghostnet_100", Some("700dcdf6314c1b68f170e6ba1ee85ee94e5b37b5")),
    ("ghostnetv2_100", None),
    ("ghostnetv2_130", None),
    ("ghostnetv2_160", Some("f29f8843944b3f614fbea96f3847e88080f9ed27")),
    ("ghostnetv3_100", None),
];
/// The tag under which all of them are published.
const TAG: &str = "in1k";
const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

/// Larger files are no `config.json`.
const MAX_CONFIG: u64 = 64 << 20;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A repository on the Hugging Face hub, with `model.safetensors` and `config.json`.
    #[cfg(feature = "hub")]
    Hub(crate::hub::RepoId),
    /// A folder with the same two files.
    Folder(PathBuf),
    /// A safetensors file; a `config.json` beside it is read too.
    File(PathBuf),
    /// Weights that are part of the program.
    Embedded {
        /// For messages.
        name: &'static str,
        /// A safetensors file.
        weights: &'static [u8],
        /// A `config.json`.
        config: &'static str,
    },
}

impl ModelSource {
    /// Understands what users type: `ghostnetv2_100` (timm's name, optionally with its tag),
    /// `hf:org/repo[@revision]`, a folder, or a `.safetensors` file.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] that lists what there is.
    ///
    /// # Example
    /// ```
    /// use ghostnetv2::weights::ModelSource;
    /// # #[cfg(feature = "hub")]
    /// assert_eq!(
    ///     ModelSource::parse("ghostnetv2_100").unwrap(),
    ///     ModelSource::parse("hf:timm/ghostnetv2_100.in1k").unwrap(),
    /// );
    /// assert!(ModelSource::parse("resnet50").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(repo) = text.strip_prefix("hf:") {
            return Self::hub(text, repo);
        }
        let base = text.split('.').next().unwrap_or(text);
        if let Some(config) = Config::from_name(base).filter(|_| !Path::new(text).exists()) {
            let Some((_, pinned)) = PUBLISHED.iter().find(|(name, _)| *name == base) else {
                let why = match config.release {
                    Release::PyTorch => "its weights were never published",
                    Release::MindSpore => "convert MindSpore's .ckpt with scripts/convert.py",
                };
                return Err(unknown(text, why));
            };
            if base != text {
                return Self::hub(text, &format!("timm/{text}"));
            }
            let revision = pinned.map(|revision| format!("@{revision}")).unwrap_or_default();
            return Self::hub(text, &format!("timm/{base}.{TAG}{revision}"));
        }
        Self::path(text.into()).map_err(|error| match error {
            Error::Io { .. } => unknown(text, "no file or folder of that name either"),
            other => other,
        })
    }

    /// A folder or a file.
    ///
    /// # Errors
    /// A path that does not exist or can't be looked at.
    pub fn path(path: PathBuf) -> Result<Self, Error> {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => Ok(Self::Folder(path)),
            Ok(_) => Ok(Self::File(path)),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    #[cfg(feature = "hub")]
    fn hub(_: &str, repo: &str) -> Result<Self, Error> {
        Ok(Self::Hub(crate::hub::RepoId::parse(repo)?))
    }

    #[cfg(not(feature = "hub"))]
    fn hub(text: &str, _: &str) -> Result<Self, Error> {
        Err(unknown(text, "this program was built without the hub feature"))
    }

    /// Opens weights and reads the configuration, through `hub` where they are there.
    ///
    /// # Errors
    /// Whatever keeps the files from being found, read or trusted.
    #[cfg(feature = "hub")]
    pub fn open(
        &self,
        hub: &crate::hub::Hub,
        progress: &mut dyn crate::hub::Progress,
    ) -> Result<Checkpoint, Error> {
        let Self::Hub(repo) = self else { return self.open_local() };
        let config = match hub.get(repo, CONFIG, None, progress) {
            Ok(path) => Some(read_config(&path)?),
            // The tensors tell the network too; and if it is all of it that is missing, they say so.
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        Checkpoint::open(&hub.get(repo, WEIGHTS, None, progress)?, config)
    }

    /// Opens weights and reads the configuration from this machine.
    ///
    /// # Errors
    /// As [`Checkpoint::open`] and [`TimmConfig::parse`]; a source on the hub.
    pub fn open_local(&self) -> Result<Checkpoint, Error> {
        match self {
            #[cfg(feature = "hub")]
            Self::Hub(repo) => Err(unknown(&repo.to_string(), "it is on the hub, not here")),
            Self::Folder(folder) => {
                let config = read_config(&folder.join(CONFIG))?;
                Checkpoint::open(&folder.join(WEIGHTS), Some(config))
            }
            Self::File(file) => {
                let beside = file.with_file_name(CONFIG);
                let config = if beside.is_file() { Some(read_config(&beside)?) } else { None };
                // Others use that name too.
                Checkpoint::open(file, config.filter(TimmConfig::names_a_network))
            }
            Self::Embedded { name, weights, config } => {
                let config = TimmConfig::parse(*name, config.as_bytes())?;
                Checkpoint::from_bytes(*name, *weights, Some(config))
            }
        }
    }
}

fn read_config(path: &Path) -> Result<TimmConfig, Error> {
    let (file, len) = open_file(path, MAX_CONFIG)?;
    let mut text = Vec::with_capacity(len);
    let read = file.take(MAX_CONFIG).read_to_end(&mut text);
    read.map_err(|source| Error::Io { path: path.into(), source })?;
    TimmConfig::parse(path.display().to_string(), &text)
}

fn unknown(name: &str, why: &str) -> Error {
    let remedy = format!(
        "{why}; expected one of {}, hf:org/repo[@revision], a folder with {WEIGHTS} and {CONFIG}, \
         or a .safetensors file",
        PUBLISHED.map(|(name, _)| name).join(", ")
    );
    Error::UnknownModel { name: name.into(), remedy }
}
