//! Ranges of what a network's matrices are multiplied with: what int8 needs to know beforehand.

use super::PlanError;
use super::graph::Network;

/// The values that one matrix of a network was multiplied with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperandRange {
    /// The operation's number in its network.
    pub node: usize,
    /// Channels of the values: factors of each sum.
    pub channels: usize,
    /// The least value, or 0 where that is less.
    pub min: f32,
    /// The largest value, or 0 where that is more.
    pub max: f32,
}

/// The ranges of a network's values over some pictures, for [`Precision::Int8`].
///
/// [`Plan::calibrate`] widens them picture by picture; whoever keeps them on a disk takes
/// [`Calibration::ranges`] and gives them to [`Calibration::from_ranges`].
///
/// [`Precision::Int8`]: super::Precision::Int8
/// [`Plan::calibrate`]: super::Plan::calibrate
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Operations of the network; 0 before the first picture.
    nodes: usize,
    /// In the order of the nodes.
    ranges: Vec<OperandRange>,
}

/// How numbers become bytes: `byte = round(x · inverse) + zero`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantization {
    /// What a unit is worth.
    pub(crate) scale: f32,
    pub(crate) inverse: f32,
    /// The byte for 0, a whole number from 0 to 255.
    pub(crate) zero: f32,
}

impl Calibration {
    /// Ranges that were taken from a network of `nodes` operations.
    ///
    /// # Errors
    /// Ranges that are no numbers or do not contain 0, come twice, or are of no such operation.
    pub fn from_ranges(
        nodes: usize,
        ranges: impl IntoIterator<Item = OperandRange>,
    ) -> Result<Self, PlanError> {
        let mut ranges: Vec<OperandRange> = ranges.into_iter().collect();
        ranges.sort_by_key(|range| range.node);
        let twice = ranges.windows(2).find(|pair| pair[0].node == pair[1].node).map(|pair| pair[0]);
        if let Some(OperandRange { node, .. }) = twice {
            return Err(PlanError::calibration(format!("two ranges for operation {node}")));
        }
        for range in &ranges {
            let OperandRange { node, channels, min, max } = *range;
            let finite = min.is_finite() && max.is_finite() && (max - min).is_finite();
            if node >= nodes || channels == 0 || !finite || min > 0.0 || max < 0.0 {
                let reason = format!(
                    "{min} to {max} for {channels} channels of operation {node} of {nodes}: \
                     expected a range around 0 of an operation of the network"
                );
                return Err(PlanError::calibration(reason));
            }
        }
        Ok(Self { nodes, ranges })
    }

    /// Operations of the network that the ranges are of; 0 before the first picture.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The ranges, in the order of the operations.
    pub fn ranges(&self) -> &[OperandRange] {
        &self.ranges
    }

    /// Widens these ranges by those of other pictures.
    ///
    /// # Errors
    /// Ranges of another network.
    pub fn merge(&mut self, other: &Self) -> Result<(), PlanError> {
        if other.nodes == 0 {
            return Ok(());
        }
        self.expect_nodes(other.nodes)?;
        for range in &other.ranges {
            self.widen(*range)?;
        }
        Ok(())
    }

    /// Makes sure that a network with so many operations can add to these ranges.
    pub(crate) fn expect_nodes(&mut self, nodes: usize) -> Result<(), PlanError> {
        if self.nodes == 0 {
            self.nodes = nodes;
        }
        if self.nodes == nodes {
            return Ok(());
        }
        let reason = format!("ranges of {} operations: the network has {nodes}", self.nodes);
        Err(PlanError::calibration(reason))
    }

    /// Adds the values that an operation was given; `scale` has a factor for each channel.
    pub(crate) fn observe<'a>(
        &mut self,
        node: usize,
        channels: usize,
        values: &'a [f32],
        scale: Option<&'a [f32]>,
    ) -> Result<(), PlanError> {
        let mut range = OperandRange { node, channels, min: 0.0, max: 0.0 };
        for pixel in values.chunks_exact(channels.max(1)) {
            for (channel, value) in pixel.iter().enumerate() {
                let value = scale.map_or(*value, |scale| value * scale[channel]);
                if !value.is_finite() {
                    let reason = format!("operation {node} was given {value}: expected numbers");
                    return Err(PlanError::calibration(reason));
                }
                range.min = range.min.min(value);
                range.max = range.max.max(value);
            }
        }
        self.widen(range)
    }

    fn widen(&mut self, range: OperandRange) -> Result<(), PlanError> {
        match self.ranges.binary_search_by_key(&range.node, |known| known.node) {
            Err(place) => self.ranges.insert(place, range),
            Ok(place) => {
                let known = &mut self.ranges[place];
                if known.channels != range.channels {
                    return Err(mismatch(*known, range.channels));
                }
                known.min = known.min.min(range.min);
                known.max = known.max.max(range.max);
            }
        }
        Ok(())
    }

    /// How the values of an operation become bytes.
    pub(crate) fn quantization(
        &self,
        node: usize,
        channels: usize,
    ) -> Result<Quantization, PlanError> {
        let Ok(place) = self.ranges.binary_search_by_key(&node, |range| range.node) else {
            let reason = format!("no range for operation {node} of the network");
            return Err(PlanError::calibration(reason));
        };
        let range = self.ranges[place];
        if range.channels != channels {
            return Err(mismatch(range, channels));
        }
        Ok(Quantization::of(range.min, range.max))
    }

    /// Refuses ranges of a network that is longer than this one.
    pub(crate) fn check(&self, network: &Network) -> Result<(), PlanError> {
        self.clone().expect_nodes(network.nodes.len())
    }
}

fn mismatch(range: OperandRange, channels: usize) -> PlanError {
    let OperandRange { node, channels: found, .. } = range;
    PlanError::calibration(format!(
        "a range of {found} channels for operation {node}: the network has {channels} there"
    ))
}

impl Quantization {
    /// For values from `min` to `max`, which contain 0: that becomes a whole number, so that it
    /// stays exact.
    pub(crate) fn of(min: f32, max: f32) -> Self {
        let scale = (max - min) / 255.0;
        if scale < f32::MIN_POSITIVE {
            return Self { scale: 1.0, inverse: 1.0, zero: 0.0 };
        }
        let zero = (-min / scale).round_ties_even().clamp(0.0, 255.0);
        Self { scale, inverse: 1.0 / scale, zero }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_ends_are_reached() {
        for (min, max) in [(0.0, 6.0), (-3.0, 1.0), (-2.5, 0.0), (-1e-3, 1e3), (0.0, 0.0)] {
            let Quantization { scale, inverse, zero } = Quantization::of(min, max);
            assert_eq!(zero, zero.round());
            let byte = |x: f32| ((x * inverse).round() + zero).clamp(0.0, 255.0);
            assert_eq!(byte(0.0), zero);
            for end in [min, max] {
                let back = (byte(end) - zero) * scale;
                assert!((back - end).abs() <= 0.51 * scale, "{end} becomes {back}");
            }
        }
    }

    #[test]
    fn tiny_ranges_have_finite_factors() {
        for max in [f32::MIN_POSITIVE, 1e-38, 1e-30, f32::from_bits(1)] {
            let Quantization { scale, inverse, zero } = Quantization::of(0.0, max);
            assert!(scale > 0.0 && inverse.is_finite() && zero == 0.0);
        }
    }
}
