//! When and how work is split over threads.

use rayon::prelude::*;

/// Multiply-adds that are worth a task of their own: waking a sleeping thread costs about as much
/// as this many take.
const TASK_WORK: usize = 1 << 18;

/// Tasks per thread, so that a thread that comes late leaves its share to the others.
const TASKS_PER_THREAD: usize = 4;

/// Calls `work` with runs of whole items of `out` and the number of their first item, in the
/// ambient rayon pool if there is enough to do.
///
/// Each item must depend on its number alone: how many items come in one call depends on the
/// number of threads.
pub(crate) fn for_each_run<E: Send>(
    out: &mut [f32],
    item_len: usize,
    work_per_item: usize,
    work: impl Fn(usize, &mut [f32]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if out.is_empty() {
        return Ok(());
    }
    let items = out.len() / item_len;
    let worthwhile = (items.saturating_mul(work_per_item) / TASK_WORK).min(items);
    // The number of threads is asked for last: the question starts the global pool.
    if worthwhile < 2 || rayon::current_num_threads() < 2 {
        return work(0, out);
    }
    let tasks = worthwhile.min(TASKS_PER_THREAD * rayon::current_num_threads());
    let items_per_task = items.div_ceil(tasks);
    out.par_chunks_mut(items_per_task * item_len)
        .enumerate()
        .try_for_each(|(task, run)| work(task * items_per_task, run))
}
