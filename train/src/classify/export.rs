//! A model in timm's hub layout: what the programs and timm load.

use crate::Error;
use crate::checkpoint::write_whole;
use crate::network::Named;
use candle::{DType, Tensor};
use ghostnetv2::Config;
use ghostnetv2::preprocess::Preprocess;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// `model.safetensors`: every tensor in f32.
///
/// # Errors
/// [`Error::Write`].
pub(crate) fn weights(state: &Named<Tensor>, folder: &Path) -> Result<(), Error> {
    let mut tensors: Named<(Vec<usize>, Vec<u8>)> = Named::new();
    for (name, tensor) in state {
        let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.insert(name.clone(), (tensor.dims().to_vec(), bytes));
    }
    let views = tensors.iter().map(|(name, (dims, bytes))| {
        let view = TensorView::new(Dtype::F32, dims.clone(), bytes);
        view.map(|view| (name, view)).map_err(candle::Error::wrap)
    });
    let views = views.collect::<candle::Result<Vec<_>>>()?;
    let format = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(views, Some(format)).map_err(candle::Error::wrap)?;
    write_whole(&folder.join("model.safetensors"), &bytes)
}

/// `config.json` of a classifier.
///
/// # Errors
/// [`Error::Write`].
pub(crate) fn config(
    folder: &Path,
    config: &Config,
    classes: &[String],
    words: &BTreeMap<String, String>,
    preprocess: &Preprocess,
) -> Result<(), Error> {
    let mut json = json!({
        "architecture": config.name(),
        "num_classes": classes.len(),
        "num_features": 960,
        "global_pool": "avg",
        "label_names": classes,
        "model_args": { "num_classes": classes.len(), "in_chans": 3, "global_pool": "avg" },
        "pretrained_cfg": pretrained_cfg(classes.len(), preprocess),
    });
    if !words.is_empty() {
        json["label_descriptions"] = json!(words);
    }
    let text = serde_json::to_vec_pretty(&json).map_err(candle::Error::wrap)?;
    write_whole(&folder.join("config.json"), &text)
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
