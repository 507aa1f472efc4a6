//! A state as one safetensors file: tensors by kind and name, the rest as JSON in the metadata,
//! and a digest of both.

use super::{Progress, State};
use crate::Error;
use crate::network::Named;
use candle::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const WEIGHTS: &str = "weights.";
const OPTIMIZER: &str = "optimizer.";
const EMA: &str = "ema.";

/// The one key of the metadata: with several, their order would change from run to run.
const KEY: &str = "training";

/// What this version writes and reads.
const VERSION: u64 = 1;

/// The metadata.
#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    version: u64,
    /// Of names, shapes, numbers and `progress`, in hexadecimal.
    sha256: String,
    progress: Progress,
}

pub(super) fn to_bytes(state: &State) -> Result<Vec<u8>, Error> {
    let kinds = [(WEIGHTS, &state.weights), (OPTIMIZER, &state.optimizer), (EMA, &state.ema)];
    let mut tensors: Named<(Vec<usize>, Vec<u8>)> = Named::new();
    for (prefix, named) in kinds {
        for (name, tensor) in named {
            let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.insert(format!("{prefix}{name}"), (tensor.dims().to_vec(), bytes));
        }
    }
    let views = tensors.iter().map(|(name, (dims, bytes))| {
        let view = TensorView::new(Dtype::F32, dims.clone(), bytes);
        view.map(|view| (name.as_str(), view)).map_err(candle::Error::wrap)
    });
    let views = views.collect::<candle::Result<Vec<_>>>()?;
    let progress = state.progress.clone();
    let header = Header { version: VERSION, sha256: digest(&views, &progress)?, progress };
    let header = serde_json::to_string(&header).map_err(candle::Error::wrap)?;
    let metadata = HashMap::from([(KEY.to_string(), header)]);
    Ok(safetensors::serialize(views, Some(metadata)).map_err(candle::Error::wrap)?)
}

pub(super) fn read(path: &Path) -> Result<State, Error> {
    let bytes = fs::read(path).map_err(Error::read(path))?;
    let damaged = |what: &str| Error::Checkpoint {
        path: path.into(),
        reason: format!("{what}: it can't be resumed from"),
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes)
        .map_err(|error| damaged(&format!("not a whole safetensors file ({error})")))?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let header = header.ok_or_else(|| damaged("weights, but no state of a training run"))?;
    let header: Header = serde_json::from_str(header)
        .map_err(|error| damaged(&format!("a state that is not understood ({error})")))?;
    if header.version != VERSION {
        return Err(damaged(&format!("version {}, expected {VERSION}", header.version)));
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| damaged(&format!("not a whole safetensors file ({error})")))?;
    let mut views = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let views: Vec<_> = views.iter().map(|(name, view)| (name.as_str(), view.clone())).collect();
    if digest(&views, &header.progress)? != header.sha256 {
        return Err(damaged("its digest is not what it says: it was changed or damaged"));
    }
    let mut state = State {
        progress: header.progress,
        weights: Named::new(),
        optimizer: Named::new(),
        ema: Named::new(),
    };
    for (name, view) in views {
        let kinds = [
            (WEIGHTS, &mut state.weights),
            (OPTIMIZER, &mut state.optimizer),
            (EMA, &mut state.ema),
        ];
        let kind = kinds.into_iter().find_map(|(p, named)| Some((name.strip_prefix(p)?, named)));
        let Some((name, named)) = kind else {
            return Err(damaged(&format!("{name} is a tensor of no known kind")));
        };
        named.insert(name.into(), tensor(&view)?);
    }
    Ok(state)
}

fn tensor(view: &TensorView) -> Result<Tensor, Error> {
    let numbers = view.data().as_chunks::<4>().0;
    let values: Vec<f32> = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Ok(Tensor::from_vec(values, view.shape(), &Device::Cpu)?)
}

fn digest(views: &[(&str, TensorView)], progress: &Progress) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(progress).map_err(candle::Error::wrap)?);
    for (name, view) in views {
        hash.update(format!("\n{name} {:?} {:?} ", view.dtype(), view.shape()));
        hash.update(view.data());
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
