//! Which GhostNet the tensors of a file belong to, from their names and shapes.

use super::file::TensorFile;
use crate::config::{Config, LAST, STAGES, STEM, Version};

/// Widths that people publish, tried before all others.
const PUBLISHED: [u32; 4] = [100, 130, 160, 50];

/// The configuration that fits the stem, the last stage and the head, or none.
pub(super) fn config(file: &TensorFile) -> Option<Config> {
    let stem = file.dims("conv_stem.weight")?;
    let (stem, in_channels) = (*stem.first()?, *stem.get(1)?);
    let has = |part: &str| file.names().any(|name| name.contains(part));
    let reparameterized = has("primary_conv.0.bias");
    let version = if has("_rpr_") || reparameterized {
        Version::V3
    } else if has("short_conv") {
        Version::V2
    } else {
        Version::V1
    };
    let last_row = STAGES[STAGES.len() - 1].last()?.out;
    let head = file.dims("blocks.9.0.conv.weight").map(|d| (d.first().copied(), d.get(1).copied()));
    let fits = |config: &Config| {
        config.channels(STEM) == stem
            && head.is_none_or(|head| {
                head == (Some(config.channels(LAST)), Some(config.channels(last_row)))
            })
    };
    let hundredths = PUBLISHED.into_iter().chain(5..=1600);
    let mut configs = hundredths.map(|w| Config::new(version, f64::from(w) / 100.0));
    let config = configs.find(|config| fits(config))?;
    Some(Config { in_channels, reparameterized, ..config })
}
