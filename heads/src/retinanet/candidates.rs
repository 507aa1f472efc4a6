//! The highest of a level's logits.

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

/// At most `most` of the `logits`, `[channels, cells]`, that are above `floor`, best first; of equal
/// ones those of earlier cells come first, then those of earlier channels.
pub(super) fn best(logits: &[f32], cells: usize, floor: f32, most: usize) -> Vec<Candidate> {
    if most == 0 || cells == 0 {
        return Vec::new();
    }
    let channels = logits.len() / cells;
    let (mut floor, mut best, mut found) = (floor, Vec::new(), Vec::new());
    for (number, block) in logits.chunks(BLOCK).enumerate() {
        found.clear();
        above(block, floor, &mut found);
        best.extend(found.iter().map(|&i| {
            let position = number * BLOCK + i;
            Rank::new(block[i], ((position % cells) * channels + position / cells) as u32)
        }));
        if best.len() / 4 > most {
            best.select_nth_unstable(most - 1);
            best.truncate(most);
            // Its equals may still come before it.
            floor = best[most - 1].score().next_down();
        }
    }
    best.sort_unstable();
    best.truncate(most);
    let place = |rank: &Rank| {
        let place = rank.tie() as usize;
        Candidate { logit: rank.score(), cell: place / channels, channel: place % channels }
    };
    best.iter().map(place).collect()
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
            assert_eq!(best(&logits, cells, floor, most), expected, "{floor}, {most}");
        }
    }
}
