//! A model as the programs load it: `model.safetensors` and `config.json`.

use crate::Error;
use crate::checkpoint::write_whole;
use crate::network::Named;
use candle::{DType, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Writes both, every tensor in f32.
///
/// # Errors
/// [`Error::Write`].
pub(crate) fn model(state: &Named<Tensor>, config: &Value, folder: &Path) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(config).map_err(candle::Error::wrap)?;
    write_whole(&folder.join("config.json"), &text)?;
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
