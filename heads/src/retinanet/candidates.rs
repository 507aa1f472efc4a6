//! The highest of a level's logits.

use super::Logits;
use crate::rank::Rank;
use engine::kernels::above;

/// Logits that are looked through at once, before it is seen how many there are.
const BLOCK: usize = 1 << 13;

/// A logit that may become a detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) logit: f32,
    pub(super) cell: usize,
    /// Of an anchor and a class.
    pub(super) channel: usize,
}

/// At most `most` of the `logits` that are above `floor`, best first; of equal ones those of earlier
/// cells come first, then those of earlier channels.
pub(super) fn best(logits: Logits, cells: usize, floor: f32, most: usize) -> Vec<Candidate> {
    if most == 0 || cells == 0 {
        return Vec::new();
    }
    let channels = logits.len() / cells;
    let mut best = Best { ranks: Vec::new(), floor, most };
    match logits {
        Logits::All(values) => {
            let mut found = Vec::new();
            for (number, block) in values.chunks(BLOCK).enumerate() {
                found.clear();
                above(block, best.floor, &mut found);
                best.add(found.iter().map(|&i| {
                    let position = number * BLOCK + i;
                    Rank::new(block[i], ((position % cells) * channels + position / cells) as u32)
                }));
            }
        }
        Logits::Above(kept) => {
            for (cell, kept) in kept.iter().enumerate().filter(|(_, kept)| !kept.is_empty()) {
                let floor = best.floor;
                let above = kept.iter().filter(|kept| kept.value > floor);
                best.add(
                    above
                        .map(|kept| Rank::new(kept.value, (cell * channels) as u32 + kept.channel)),
                );
            }
        }
    }
    let place = |rank: &Rank| {
        let place = rank.tie() as usize;
        Candidate { logit: rank.score(), cell: place / channels, channel: place % channels }
    };
    best.sorted().iter().map(place).collect()
}

/// The best of those that have been seen, and a few more.
struct Best {
    ranks: Vec<Rank>,
    /// Who is not above it is not among the best.
    floor: f32,
    most: usize,
}

impl Best {
    fn add(&mut self, ranks: impl Iterator<Item = Rank>) {
        self.ranks.extend(ranks);
        if self.ranks.len() / 4 > self.most {
            self.ranks.select_nth_unstable(self.most - 1);
            self.ranks.truncate(self.most);
            // Its equals may still come before it.
            self.floor = self.ranks[self.most - 1].score().next_down();
        }
    }

    fn sorted(mut self) -> Vec<Rank> {
        self.ranks.sort_unstable();
        self.ranks.truncate(self.most);
        self.ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_of_a_plain_sort() {
        let (cells, channels) = (7 * 5, 480);
        // Many are equal, and so many are above that some are dropped on the way.
        let value = |i: usize| match i % 97 {
            3 => f32::NAN,
            _ => ((i * 7919 % 1009) / 4) as f32 - 100.0,
        };
        let logits: Vec<f32> = (0..channels * cells).map(value).collect();
        for (floor, most) in [(-50.0, 100), (100.0, 1000), (151.5, 9), (-200.0, 17_000), (0.0, 0)] {
            let mut expected: Vec<_> = (0..cells)
                .flat_map(|cell| (0..channels).map(move |channel| (cell, channel)))
                .map(|(cell, channel)| Candidate {
                    logit: logits[channel * cells + cell],
                    cell,
                    channel,
                })
                .filter(|candidate| candidate.logit > floor)
                .collect();
            expected.sort_by(|a, b| b.logit.total_cmp(&a.logit));
            expected.truncate(most);
            assert_eq!(best(Logits::All(&logits), cells, floor, most), expected, "{floor}, {most}");
        }
    }
}
