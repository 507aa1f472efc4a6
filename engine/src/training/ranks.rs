//! Processes that train one network together.

use std::fmt::Debug;

/// Processes, or threads, that train one network together: each runs its part of every batch, and
/// the sums that a batch-norm takes over a batch are over all parts. So two ranks compute what one
/// with twice the batch does, up to the order of sums.
///
/// All ranks call [`sum`](Self::sum) equally often and with equally many values, which a graph does
/// where it is the same on all of them and runs the same passes.
pub trait Ranks: Debug + Send + Sync {
    /// Which one this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Replaces values by their sums over all ranks, which are the same bits on each. Where that
    /// fails, no rank can go on: an implementation ends the process.
    fn sum(&self, values: &mut [f64]);
}

/// How many pictures the ranks before this one have in a batch of which it has `own`.
pub(super) fn pictures_before(ranks: &dyn Ranks, own: usize) -> usize {
    let mut all = vec![0f64; ranks.count()];
    all[ranks.rank()] = own as f64;
    ranks.sum(&mut all);
    all[..ranks.rank()].iter().sum::<f64>() as usize
}
