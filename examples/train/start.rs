//! Where the weights of a network with a head come from.

use clap::Args;
use cli::headed::HeadedArgs;

/// `--init`, `--preset`, `--which`, `--offline`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StartArgs {
    /// What to start from: a classifier or a network with another head, whose weights become the
    /// backbone's, or a whole network of this kind, which is trained on; a published name, a
    /// repository hf:org/repo[@revision], a folder with config.json and model.safetensors, or a
    /// .safetensors file [default: the built-in classifier]
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
