//! From the raw outputs of a batch to the detections of its pictures.

use super::{LevelOutputs, RawOutputs, RetinaNetConfig};
use crate::boxes::Detections;
use crate::placement::Batch;
use candle::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor, bail};

impl RetinaNetConfig {
    /// What is in each picture of a batch, in its own pixels, from the raw outputs for it.
    ///
    /// # Errors
    /// Outputs of another batch, or of other anchors.
    pub fn detections(&self, raw: &RawOutputs, batch: &Batch) -> Result<Vec<Detections>> {
        let levels = self.anchors.levels(batch.size()?, &raw.cells()?)?;
        let (logits, deltas) = (in_memory(&raw.logits)?, in_memory(&raw.deltas)?);
        let logits: Vec<_> = logits.iter().map(Tensor::storage_and_layout).collect();
        let deltas: Vec<_> = deltas.iter().map(Tensor::storage_and_layout).collect();
        let pictures = batch.placements.len().max(1);
        let of_picture = |(i, placement)| {
            let outputs = logits.iter().zip(&deltas).map(|(logits, deltas)| {
                let logits = share(values(&logits.0, logits.1)?, i, pictures);
                let deltas = share(values(&deltas.0, deltas.1)?, i, pictures);
                Ok(LevelOutputs { logits, deltas })
            });
            let outputs = outputs.collect::<Result<Vec<_>>>()?;
            self.postprocess.run(&outputs, &levels, self.coder, placement)
        };
        batch.placements.iter().enumerate().map(of_picture).collect()
    }
}

/// The same maps where they can be read; those that can be already are not copied, as megabytes of
/// them would cost more time than everything that follows.
fn in_memory(maps: &[Tensor]) -> Result<Vec<Tensor>> {
    let moved = |map: &Tensor| map.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous();
    maps.iter().map(moved).collect()
}

fn values<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Ok(&values[start..end]),
        _ => bail!("raw outputs that could not be read as f32 in memory"),
    }
}

/// The values of picture `i` of so many.
fn share(values: &[f32], i: usize, pictures: usize) -> &[f32] {
    let each = values.len() / pictures;
    &values[i * each..][..each]
}
