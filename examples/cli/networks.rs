//! Detectors and Semantic FPNs that are ready to run.

use crate::compute::Compute;
use candle::{Device, Result, Tensor};
use ghostnetv2::Timings;
use heads::boxes::Detections;
use heads::placement::{Batch, InputConfig};
use heads::retinanet::{DetectorPlan, RawOutputs, RetinaNet, RetinaNetConfig};
use heads::segmentation::{LabelMap, SegmenterPlan, SemanticFpn, SemanticFpnConfig, Sliding};

/// A detector, ready to run.
#[derive(Debug)]
pub enum Detector {
    /// Laid out for the CPU.
    Plan(Box<DetectorPlan>),
    /// On candle's operations, with the device that it is on.
    Candle(Box<RetinaNet>, Device),
}

impl Detector {
    /// `net`, laid out for `batch` pictures where a plan computes.
    ///
    /// # Errors
    /// No memory.
    pub fn new(net: RetinaNet, compute: &Compute, batch: usize) -> Result<Self> {
        Ok(match compute {
            Compute::Plan(options) => {
                let shape = shape(&net.config().input, batch);
                Self::Plan(Box::new(net.plan(&shape, options)?))
            }
            Compute::Candle(device) => Self::Candle(Box::new(net), device.clone()),
        })
    }

    /// What it looks like.
    pub fn config(&self) -> &RetinaNetConfig {
        match self {
            Self::Plan(plan) => plan.config(),
            Self::Candle(net, _) => net.config(),
        }
    }

    /// Where inputs should be.
    pub fn device(&self) -> Device {
        match self {
            Self::Plan(_) => Device::Cpu,
            Self::Candle(_, device) => device.clone(),
        }
    }

    /// Logits and differences; plans add the time of their steps to `timings`.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> Result<RawOutputs> {
        match (self, timings) {
            (Self::Plan(plan), Some(timings)) => plan.forward_timed(x, timings),
            (Self::Plan(plan), None) => plan.forward(x),
            (Self::Candle(net, _), _) => net.forward_t(x, false),
        }
    }

    /// What is in each picture of a batch.
    ///
    /// # Errors
    /// As [`Detector::forward`].
    pub fn detect_batch(&self, batch: &Batch) -> Result<Vec<Detections>> {
        match self {
            Self::Plan(plan) => plan.detect_batch(batch),
            Self::Candle(net, _) => net.detect_batch(batch),
        }
    }
}

/// A Semantic FPN, ready to run.
#[derive(Debug)]
pub enum Segmenter {
    /// Laid out for the CPU.
    Plan(Box<SegmenterPlan>),
    /// On candle's operations, with the device that it is on.
    Candle(Box<SemanticFpn>, Device),
}

impl Segmenter {
    /// `net`, laid out for `batch` pictures where a plan computes.
    ///
    /// # Errors
    /// No memory.
    pub fn new(net: SemanticFpn, compute: &Compute, batch: usize) -> Result<Self> {
        Ok(match compute {
            Compute::Plan(options) => {
                let shape = shape(&net.config().input, batch);
                Self::Plan(Box::new(net.plan(&shape, options)?))
            }
            Compute::Candle(device) => Self::Candle(Box::new(net), device.clone()),
        })
    }

    /// What it looks like.
    pub fn config(&self) -> &SemanticFpnConfig {
        match self {
            Self::Plan(plan) => plan.config(),
            Self::Candle(net, _) => net.config(),
        }
    }

    /// Where inputs should be.
    pub fn device(&self) -> Device {
        match self {
            Self::Plan(_) => Device::Cpu,
            Self::Candle(_, device) => device.clone(),
        }
    }

    /// Logits; plans add the time of their steps to `timings`.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor, timings: Option<&mut Timings>) -> Result<Tensor> {
        match (self, timings) {
            (Self::Plan(plan), Some(timings)) => plan.forward_timed(x, timings),
            (Self::Plan(plan), None) => plan.forward(x),
            (Self::Candle(net, _), _) => net.forward_t(x, false),
        }
    }

    /// The classes of each picture's pixels.
    ///
    /// # Errors
    /// As [`Segmenter::forward`]; weights that give no numbers.
    pub fn segment_batch(&self, batch: &Batch) -> Result<Vec<LabelMap>> {
        match self {
            Self::Plan(plan) => plan.segment_batch(batch),
            Self::Candle(net, _) => net.segment_batch(batch),
        }
    }

    /// The same with windows that slide over the input.
    ///
    /// # Errors
    /// As there; windows that leave gaps.
    pub fn segment_sliding(&self, batch: &Batch, sliding: Sliding) -> Result<Vec<LabelMap>> {
        match self {
            Self::Plan(plan) => plan.segment_sliding(batch, sliding),
            Self::Candle(net, _) => net.segment_sliding(batch, sliding),
        }
    }
}

/// What a plan is laid out for before it has seen a picture: square ones.
fn shape(input: &InputConfig, batch: usize) -> [usize; 4] {
    let (height, width) = input.place((input.short_side, input.short_side)).padded;
    [batch, 3, height, width]
}
