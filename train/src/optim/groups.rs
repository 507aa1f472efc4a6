//! Which parameters decay, and which ones learn at another rate.

use crate::variables::has_prefix;
use serde::{Deserialize, Serialize};

/// Weight decay and learning rates by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// Weight decay of matrices and filters.
    pub weight_decay: f64,
    /// Let vectors decay too: norms and biases.
    pub decay_vectors: bool,
    /// Prefixes of names and the factor of their learning rate; the longest that fits counts.
    pub factors: Vec<(String, f64)>,
}

impl Groups {
    /// One rate for all, and no decay of vectors: timm's groups.
    pub fn decaying(weight_decay: f64) -> Self {
        Self { weight_decay, ..Self::default() }
    }

    /// The weight decay of a parameter.
    pub fn decay(&self, name: &str, dims: &[usize]) -> f64 {
        let vector = dims.len() <= 1 || name.ends_with(".bias");
        if vector && !self.decay_vectors { 0.0 } else { self.weight_decay }
    }

    /// What the learning rate of a parameter is multiplied by.
    pub fn factor(&self, name: &str) -> f64 {
        let fits = self.factors.iter().filter(|(prefix, _)| has_prefix(name, prefix));
        fits.max_by_key(|(prefix, _)| prefix.len()).map_or(1.0, |(_, factor)| *factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let factors = vec![("backbone".into(), 0.1), ("backbone.body.blocks.8".into(), 0.5)];
        let groups = Groups { weight_decay: 0.05, factors, ..Groups::default() };
        assert_eq!(groups.factor("backbone.body.conv_stem.weight"), 0.1);
        assert_eq!(groups.factor("backbone.body.blocks.8.0.bn.weight"), 0.5);
        assert_eq!(groups.factor("backbones.weight"), 1.0);
        assert_eq!(groups.decay("a.weight", &[4]), 0.0);
        assert_eq!(groups.decay("a.bias", &[4, 1]), 0.0);
        assert_eq!(groups.decay("a.weight", &[4, 1]), 0.05);
    }
}
