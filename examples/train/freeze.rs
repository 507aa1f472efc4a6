//! What of a network stays as it is.

use anyhow::Result;
use clap::Args;
use cli::exit::Usage;
use train::Variables;

/// `--freeze`, `--freeze-bn`.
#[derive(Args, Clone, Debug)]
pub(crate) struct FreezeArgs {
    /// Names, or beginnings of names up to a dot, of weights that stay as they are, such as
    /// conv_stem,blocks.0
    #[arg(long = "freeze", value_name = "PREFIX,…", value_delimiter = ',')]
    pub(crate) prefixes: Vec<String>,
    /// Let all batch-norms normalise by the means and variances that they have, which then stay, as
    /// do scales and shifts: for networks whose heads are trained already or have no batch-norms
    #[arg(long = "freeze-bn", alias = "freeze-norms")]
    pub(crate) norms: bool,
}

impl FreezeArgs {
    /// Freezes the prefixes; to be called before the network is built.
    pub(crate) fn apply(&self, variables: Variables) -> Variables {
        variables.freeze(self.prefixes.iter().cloned())
    }

    /// Refuses names that freeze nothing, once the network is built.
    pub(crate) fn check(&self, variables: &Variables) -> Result<()> {
        let idle = variables.frozen_nothing();
        if idle.is_empty() {
            return Ok(());
        }
        let text = format!("--freeze: no weights have such names: {}", idle.join(", "));
        Err(Usage(text).into())
    }
}
