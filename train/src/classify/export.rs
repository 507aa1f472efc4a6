//! What timm's hub layout says of a classifier.

use ghostnetv2::Config;
use ghostnetv2::preprocess::Preprocess;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `config.json` of a classifier.
pub(crate) fn config(
    config: &Config,
    classes: &[String],
    words: &BTreeMap<String, String>,
    preprocess: &Preprocess,
) -> Value {
    let mut json = json!({
        "architecture": config.name(),
        "num_classes": classes.len(),
        "global_pool": "avg",
        "label_names": classes,
        "model_args": { "num_classes": classes.len(), "in_chans": 3, "global_pool": "avg" },
        "pretrained_cfg": pretrained_cfg(classes.len(), preprocess),
    });
    if !words.is_empty() {
        json["label_descriptions"] = json!(words);
    }
    json
}

fn pretrained_cfg(classes: usize, preprocess: &Preprocess) -> Value {
    let (height, width) = (preprocess.height(), preprocess.width());
    json!({
        "custom_load": false,
        "input_size": [3, height, width],
        "fixed_input_size": false,
        "pool_size": [height.div_ceil(32), width.div_ceil(32)],
        "crop_pct": preprocess.crop_pct(),
        "crop_mode": preprocess.crop_mode().name(),
        "interpolation": preprocess.interpolation().name(),
        "mean": preprocess.mean(),
        "std": preprocess.std(),
        "num_classes": classes,
        "first_conv": "conv_stem",
        "classifier": "classifier",
    })
}
