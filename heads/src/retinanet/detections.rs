//! From the raw outputs of a batch to the detections of its pictures.

use super::{LevelOutputs, Logits, RawOutputs, RetinaNetConfig};
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
        let logits = logits.iter().map(|map| values(&map.0, map.1)).collect::<Result<Vec<_>>>()?;
        let deltas = deltas.iter().map(|map| values(&map.0, map.1)).collect::<Result<Vec<_>>>()?;
        let of_picture = |picture| {
            let levels = logits.iter().zip(&deltas).map(|(logits, deltas)| LevelOutputs {
                logits: Logits::All(batch.share(logits, picture)),
                deltas: batch.share(deltas, picture),
            });
            levels.collect()
        };
        self.detections_of(of_picture, &raw.cells()?, batch)
    }

    /// The same from plain memory: what there is of each picture at each level, and rows and
    /// columns of the levels' maps.
    pub(super) fn detections_of<'a>(
        &self,
        of_picture: impl Fn(usize) -> Vec<LevelOutputs<'a>>,
        cells: &[(usize, usize)],
        batch: &Batch,
    ) -> Result<Vec<Detections>> {
        let anchors = self.anchors.levels(batch.size()?, cells)?;
        let detect = |(picture, placement)| {
            self.postprocess.run(&of_picture(picture), &anchors, self.coder, placement)
        };
        batch.placements.iter().enumerate().map(detect).collect()
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
