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
        let (logits, deltas) = (in_memory(&raw.logits)?, in_memory(&raw.deltas)?);
        let logits: Vec<_> = logits.iter().map(Tensor::storage_and_layout).collect();
        let deltas: Vec<_> = deltas.iter().map(Tensor::storage_and_layout).collect();
        let levels = logits.iter().zip(&deltas).map(|(logits, deltas)| {
            let (logits, deltas) = (values(&logits.0, logits.1)?, values(&deltas.0, deltas.1)?);
            Ok(LevelOutputs { logits, deltas })
        });
        self.detections_of(&levels.collect::<Result<Vec<_>>>()?, &raw.cells()?, batch)
    }

    /// The same from plain memory: of each level what all pictures have there, one after another,
    /// and rows and columns of its map.
    pub(super) fn detections_of(
        &self,
        levels: &[LevelOutputs],
        cells: &[(usize, usize)],
        batch: &Batch,
    ) -> Result<Vec<Detections>> {
        let anchors = self.anchors.levels(batch.size()?, cells)?;
        let pictures = batch.placements.len().max(1);
        let of_picture = |(i, placement)| {
            let outputs = levels.iter().map(|level| LevelOutputs {
                logits: share(level.logits, i, pictures),
                deltas: share(level.deltas, i, pictures),
            });
            let outputs: Vec<_> = outputs.collect();
            self.postprocess.run(&outputs, &anchors, self.coder, placement)
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
