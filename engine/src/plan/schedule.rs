//! The arena: maps whose lifetimes do not overlap share memory.

use super::graph::Network;

/// Elements to which places are aligned: a cache line.
pub(crate) const ALIGNMENT: usize = 16;

/// Hands out places in the order in which nodes are computed, lowest fitting gap first.
#[derive(Debug)]
pub(crate) struct Arena {
    /// For each node, the last node that reads it.
    last_use: Vec<usize>,
    /// Taken: start, length, node.
    taken: Vec<(usize, usize, usize)>,
    len: usize,
}

impl Arena {
    /// For the values of `network` that are not `batched`.
    pub(crate) fn new(network: &Network, batched: &[bool]) -> Self {
        let mut last_use: Vec<usize> = (0..network.nodes.len()).collect();
        for (index, node) in network.nodes.iter().enumerate() {
            for value in node.op.operands().filter(|value| !batched[value.0]) {
                last_use[value.0] = index;
            }
        }
        Self { last_use, taken: Vec::new(), len: 0 }
    }

    /// A place of `len` elements for the result of `node`.
    pub(crate) fn allocate(&mut self, node: usize, len: usize) -> usize {
        let len = len.next_multiple_of(ALIGNMENT);
        self.taken.sort_unstable();
        let mut start = 0;
        for &(taken, taken_len, _) in &self.taken {
            if taken >= start + len {
                break;
            }
            start = taken + taken_len;
        }
        self.taken.push((start, len, node));
        self.len = self.len.max(start + len);
        start
    }

    /// Whether no node reads the result of `node`.
    pub(crate) fn is_unread(&self, node: usize) -> bool {
        self.last_use[node] == node
    }

    /// Gives back what no node behind `node` reads.
    pub(crate) fn release_after(&mut self, node: usize) {
        let last_use = &self.last_use;
        self.taken.retain(|&(_, _, value)| last_use[value] > node);
    }

    /// Gives back what begins at `start`.
    pub(crate) fn release(&mut self, start: usize) {
        self.taken.retain(|&(taken, _, _)| taken != start);
    }

    /// Elements of the whole arena.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_places_never_overlap_and_dead_ones_are_used_again() {
        // Node i is read last by node i + 2.
        let mut arena = Arena { last_use: (0..9).map(|i| i + 2).collect(), taken: vec![], len: 0 };
        let mut places = Vec::new();
        for node in 0..7 {
            let len = 100 + 50 * (node % 3);
            let start = arena.allocate(node, len);
            for &(other, other_start, other_len) in &places {
                let alive = other + 2 >= node;
                let apart = start + len <= other_start || other_start + other_len <= start;
                assert!(!alive || apart, "node {node} overlaps {other}");
            }
            places.push((node, start, len));
            arena.release_after(node);
        }
        assert!(arena.len() <= 4 * 208, "{}", arena.len());
    }
}
