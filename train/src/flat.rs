//! Loops over the numbers of CPU tensors, in place and on all threads.
//!
//! Pieces are of a fixed length, and each number depends on its own inputs only: the bits are the
//! same for any number of threads.

use candle::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Numbers that one thread works on at a time: 64 KiB.
const PIECE: usize = 16 << 10;

/// A piece of what is changed, of what is read, and of each slot.
type Piece<'a> = (&'a mut [f32], &'a [f32], Vec<&'a mut [f32]>);

/// Runs `update` on pieces of `changed`, `read` and each of `slots`, which are equally long.
pub(crate) fn each(
    changed: &mut [f32],
    read: &[f32],
    slots: &mut [Vec<f32>],
    update: impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync,
) {
    let mut columns: Vec<_> = slots.iter_mut().map(|slot| slot.chunks_mut(PIECE)).collect();
    let pieces: Vec<Piece> = changed
        .chunks_mut(PIECE)
        .zip(read.chunks(PIECE))
        .map(|(changed, read)| {
            (changed, read, columns.iter_mut().filter_map(Iterator::next).collect())
        })
        .collect();
    pieces.into_par_iter().for_each(|(w, g, mut slots)| update(w, g, &mut slots));
}

/// Changes a contiguous f32 tensor on the CPU in place, with another and with `slots`.
pub(crate) fn change(
    changed: &Tensor,
    read: &Tensor,
    slots: &mut [Vec<f32>],
    update: impl Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync,
) -> Result<()> {
    let op = InPlace { slots: Mutex::new(slots), update };
    changed.inplace_op2(&read.contiguous()?, &op)
}

/// `average += share * (new - average)`, as torch's `lerp` does.
pub(crate) fn lerp(average: &mut Tensor, new: &Tensor, share: f64) -> Result<()> {
    if average.device().is_cpu() {
        let share = share as f32;
        return change(average, new, &mut [], move |average, new, _| {
            average.iter_mut().zip(new).for_each(|(a, n)| *a += share * (n - *a));
        });
    }
    *average = (&*average + ((new - &*average)? * share)?)?;
    Ok(())
}

struct InPlace<'a, F> {
    slots: Mutex<&'a mut [Vec<f32>]>,
    update: F,
}

impl<F: Fn(&mut [f32], &[f32], &mut [&mut [f32]]) + Sync> InplaceOp2 for InPlace<'_, F> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(
        &self,
        changed: &mut CpuStorage,
        changed_layout: &Layout,
        read: &CpuStorage,
        read_layout: &Layout,
    ) -> Result<()> {
        let ranges = (changed_layout.contiguous_offsets(), read_layout.contiguous_offsets());
        let (Some((from, to)), Some((read_from, read_to))) = ranges else {
            bail!("an update in place needs contiguous tensors")
        };
        let (CpuStorage::F32(changed), CpuStorage::F32(read)) = (changed, read) else {
            bail!("an update in place is of f32 tensors: train in f32")
        };
        let (changed, read) = (&mut changed[from..to], &read[read_from..read_to]);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.len() != read.len() || slots.iter().any(|slot| slot.len() != changed.len()) {
            bail!("an update of {} numbers with {}", changed.len(), read.len())
        }
        each(changed, read, &mut slots, &self.update);
        Ok(())
    }
}
