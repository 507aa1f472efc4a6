//! Which examples a step sees.

use super::Plan;
use crate::seed::Seed;

/// The order of examples: every epoch another one, each a function of seed and epoch. Of each batch,
/// a rank sees its part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Which of how many ranks.
    rank: (usize, usize),
    seed: Seed,
    examples: usize,
    batch: usize,
    accumulate: usize,
    epochs: u64,
}

impl Order {
    pub(super) fn new(plan: &Plan, examples: usize, rank: (usize, usize)) -> Self {
        let Plan { seed, batch, accumulate, epochs, .. } = *plan;
        Self { rank, seed: Seed(seed), examples, batch, accumulate, epochs }
    }

    /// Examples of all ranks that go through the network together: fewer than a batch where there
    /// are fewer than a step takes, so that each batch gets its share of them.
    pub(super) fn batch(&self) -> usize {
        self.batch.min(self.examples.div_ceil(self.accumulate)).max(1)
    }

    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    pub(super) fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Steps of an epoch.
    pub(super) fn steps(&self) -> u64 {
        Plan::steps_per_epoch(self.examples, self.batch, self.accumulate)
    }

    /// The batches of an epoch from a step on, with their numbers in the epoch.
    pub(super) fn batches(&self, epoch: u64, from: u64) -> Vec<(u64, Vec<usize>)> {
        let order = self.seed.stream("order", epoch, 0).order(self.examples);
        let (batch, (rank, ranks)) = (self.batch(), self.rank);
        let own = batch * rank / ranks..batch * (rank + 1) / ranks;
        let (first, last) = (from * self.accumulate as u64, self.steps() * self.accumulate as u64);
        let examples = |number: u64| {
            let at = |i: usize| order[(number as usize * batch + i) % order.len()];
            own.clone().map(at).collect()
        };
        (first..last).map(|number| (number, examples(number))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(examples: usize, batch: usize, accumulate: usize) -> Order {
        Order { rank: (0, 1), seed: Seed(1), examples, batch, accumulate, epochs: 3 }
    }

    #[test]
    fn ranks_share_each_batch() {
        let whole = order(20, 5, 1).batches(1, 1);
        let part = |rank| Order { rank: (rank, 3), ..order(20, 5, 1) }.batches(1, 1);
        let parts = [part(0), part(1), part(2)];
        for (i, (number, batch)) in whole.iter().enumerate() {
            assert!(parts.iter().all(|part| part[i].0 == *number && !part[i].1.is_empty()));
            assert_eq!(parts.iter().flat_map(|part| part[i].1.clone()).collect::<Vec<_>>(), *batch);
        }
    }

    #[test]
    fn an_epoch_sees_nothing_twice_and_can_be_entered_anywhere() {
        let order = order(20, 3, 2);
        assert_eq!(order.steps(), 3);
        let all = order.batches(1, 0);
        let mut seen: Vec<usize> = all.iter().flat_map(|(_, batch)| batch.clone()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 18);
        assert_eq!(order.batches(1, 2), all[4..]);
        assert_ne!(order.batches(2, 0), all);
    }

    #[test]
    fn few_examples_make_one_step() {
        let batches = order(5, 8, 1).batches(0, 0);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].1.len(), 5);
        assert_eq!(order(5, 8, 2).batches(0, 0).len(), 2);
    }
}
