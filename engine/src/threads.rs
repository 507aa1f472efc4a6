//! When and how work is split over threads.

use rayon::prelude::*;

/// Multiply-adds that are worth a task of their own: a few microseconds, about what it costs to
/// hand a task to another thread.
const TASK_WORK: usize = 1 << 17;

/// Tasks per thread, so that a thread that comes late leaves its share to the others.
const TASKS_PER_THREAD: usize = 4;

/// Calls `work` with runs of whole items of `out` and the number of their first item, in the
/// ambient rayon pool if there is enough to do.
///
/// What is written to an item must depend on its number alone: how many items come in one call
/// depends on the number of threads.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Writes its number to each of `items` items of two; returns the items and the calls made.
    fn number_items(threads: usize, items: usize, work_per_item: usize) -> (Vec<f32>, usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let calls = AtomicUsize::new(0);
        let mut out = vec![f32::NAN; 2 * items];
        let result = pool.install(|| {
            for_each_run(&mut out, 2, work_per_item, |first, run| {
                calls.fetch_add(1, Ordering::Relaxed);
                for (i, item) in run.chunks_exact_mut(2).enumerate() {
                    item.fill((first + i) as f32);
                }
                Ok::<_, ()>(())
            })
        });
        assert_eq!(result, Ok(()));
        (out, calls.into_inner())
    }

    #[test]
    fn every_item_comes_once_with_its_number() {
        for threads in [1, 2, 3] {
            for items in [0, 1, 2, 7, 23, 24, 25, 100] {
                let expected: Vec<f32> = (0..2 * items).map(|i| (i / 2) as f32).collect();
                for work in [1, TASK_WORK / 3, TASK_WORK, usize::MAX] {
                    assert_eq!(number_items(threads, items, work).0, expected);
                }
            }
        }
    }

    #[test]
    fn only_enough_work_is_split() {
        assert_eq!(number_items(2, 100, TASK_WORK / 100).1, 1);
        assert_eq!(number_items(2, 100, TASK_WORK / 40).1, 2);
        assert_eq!(number_items(2, 100, TASK_WORK).1, 2 * TASKS_PER_THREAD);
        assert_eq!(number_items(1, 100, TASK_WORK).1, 1);
        assert_eq!(number_items(2, 3, TASK_WORK).1, 3);
    }

    #[test]
    fn an_error_comes_back() {
        for work in [1, TASK_WORK] {
            let result = for_each_run(&mut [0.0; 9], 1, work, |first, run| {
                if (first..first + run.len()).contains(&5) { Err("five") } else { Ok(()) }
            });
            assert_eq!(result, Err("five"));
        }
    }
}
