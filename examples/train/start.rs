//! Where the weights of a network with a head come from.

use anyhow::Result;
use candle::Device;
use clap::Args;
use cli::exit::Usage;
use cli::headed::HeadedArgs;
use train::{Start, Variables};

/// `--init`, `--preset`, `--which`, `--offline`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StartArgs {
    /// What to start from: a classifier, whose weights become the backbone's, or a whole network,
    /// which is trained on; a published name, a repository hf:org/repo[@revision], a folder with
    /// config.json and model.safetensors, or a .safetensors file [default: the built-in classifier]
    #[arg(long, value_name = "MODEL")]
    init: Option<String>,
    /// Whose layout and constants the network has [default: `head.preset` of the config.json of
    /// --init, else lite]
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// The backbone of --init, such as ghostnetv2_130, where it does not tell
    #[arg(long, value_name = "NAME", requires = "init")]
    which: Option<String>,
    /// Use only what the hub's cache on this machine holds
    #[arg(long)]
    offline: bool,
}

impl StartArgs {
    /// What `--init` and so on name.
    pub(crate) fn headed(&self) -> HeadedArgs {
        let [init, preset, which] = [&self.init, &self.preset, &self.which].map(Option::as_deref);
        HeadedArgs::of_training(init, preset, which, self.offline)
    }
}

/// The variables of a network, some of them frozen.
pub(crate) fn variables(start: &Start, seed: u64, device: &Device, freeze: &[String]) -> Variables {
    Variables::new(start.builder(seed, device)).freeze(freeze.iter().cloned())
}

/// Refuses names that freeze nothing, once the network is built.
pub(crate) fn check_frozen(variables: &Variables) -> Result<()> {
    let idle = variables.frozen_nothing();
    if idle.is_empty() {
        return Ok(());
    }
    let text = format!("--freeze: no weights have such names: {}", idle.join(", "));
    Err(Usage(text).into())
}
