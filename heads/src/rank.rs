//! Scores as whole numbers that sort quickly.

/// A score and what decides between equal ones: the least is the best.
///
/// NaN may not be among the scores; both zeros are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    /// A high score is a low rank, and of equal scores the one with the lower `tie`.
    pub(crate) fn new(score: f32, tie: u32) -> Self {
        let bits = (score + 0.0).to_bits();
        // Numbers below zero grow with their bits: all of them are turned, of others the sign only.
        let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self(u64::from(!rising) << 32 | u64::from(tie))
    }

    pub(crate) fn score(self) -> f32 {
        let rising = !((self.0 >> 32) as u32);
        f32::from_bits(if rising >> 31 == 1 { rising & !(1 << 31) } else { !rising })
    }

    pub(crate) fn tie(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_as_scores_do_and_keep_them() {
        let rising =
            [f32::NEG_INFINITY, f32::MIN, -2.5, -f32::MIN_POSITIVE, 0.0, 1e-45, 2.5, f32::INFINITY];
        let ranks = rising.map(|score| Rank::new(score, 7));
        assert!(ranks.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(ranks.map(Rank::score), rising);
        assert!(ranks.iter().all(|rank| rank.tie() == 7));
        assert_eq!(Rank::new(-0.0, 1), Rank::new(0.0, 1));
        assert!(Rank::new(0.5, u32::MAX) < Rank::new(0.25, 0));
        assert!(Rank::new(0.5, 3) < Rank::new(0.5, 4));
    }
}
