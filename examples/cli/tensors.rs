//! Tensors in and out, so that anyone can compare with PyTorch.

use crate::exit::{Output, Usage};
use anyhow::{Context, Result};
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
/// [`Usage`] where the folder does not exist, [`Output`] where it can't be written.
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
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Usage(format!("{}: no such folder", folder.display())).into());
    }
    let write = || -> std::io::Result<()> {
        let mut beside = temporary().tempfile_in(folder)?;
        std::io::Write::write_all(&mut beside, &file)?;
        beside.as_file().sync_all()?;
        beside.persist(path)?;
        Ok(())
    };
    write().map_err(Output).with_context(|| path.display().to_string())
}

/// Temporary files are for their owner alone; what they become is for whom the umask says.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}
