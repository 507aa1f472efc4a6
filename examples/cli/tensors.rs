//! Tensors in and out, so that anyone can compare with PyTorch.

use crate::files;
use anyhow::Result;
use candle::{DType, Device, Tensor};
use ghostnetv2::weights::ModelSource;
use ghostnetv2::{Error, MIN_SIDE};
use std::collections::HashMap;
use std::path::Path;

/// Reads the tensor `input`, `[B, channels, H, W]`, of a safetensors file.
///
/// # Errors
/// What keeps a checkpoint from being read too; no tensor of that name, or of a shape that the
/// network can't take.
pub fn read_input(path: &Path, channels: usize, device: &Device) -> Result<Tensor> {
    let file = ModelSource::path(path.into())?.open_local()?;
    let invalid = |reason| Error::Config { origin: path.display().to_string(), reason };
    let Some(input) = file.tensor("input")? else {
        let names: Vec<_> = file.names().collect();
        let reason = format!("expected a tensor named input, found {}", names.join(", "));
        return Err(invalid(reason).into());
    };
    match *input.dims() {
        [_, c, h, w] if c == channels && h >= MIN_SIDE && w >= MIN_SIDE => {
            Ok(input.to_device(device)?)
        }
        _ => {
            let reason = format!(
                "input: expected shape [B, {channels}, H, W] with sides of at least {MIN_SIDE}, \
                 found {:?}",
                input.dims()
            );
            Err(invalid(reason).into())
        }
    }
}

/// Writes tensors as f32 to a safetensors file that appears whole or not at all.
///
/// # Errors
/// As [`files::write`].
pub fn write(path: &Path, tensors: Vec<(String, Tensor)>) -> Result<()> {
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let shape = tensor.dims().to_vec();
        let values: Vec<f32> = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes.push((name, shape, data));
    }
    let views = bytes
        .iter()
        .map(|(name, shape, data)| {
            let view =
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), data)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<HashMap<_, _>, safetensors::SafeTensorError>>()?;
    let file = safetensors::serialize(views, None)?;
    files::write(path, &file)
}
