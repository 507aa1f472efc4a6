//! Networks with a head: raw outputs of their plan, or all that an application asks for.

use crate::network::Network;
use crate::row::{Backend, Row};
use anyhow::Result;
use candle::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use ghostnetv2::Config;
use ghostnetv2::weights::Checkpoint;
use heads::Seeded;
use heads::placement::Batch;
use heads::retinanet::{self, RetinaNet};
use heads::segmentation::{self, SemanticFpn};

impl Network {
    /// A RetinaNet for inputs of `shape`.
    pub(crate) fn detector(
        row: &Row,
        preset: retinanet::Preset,
        checkpoint: Option<&Checkpoint>,
        (shape, input): (&[usize; 4], Vec<f32>),
    ) -> Result<Self> {
        let (config, backbone) = (preset.config(), Config::v2(1.0));
        let net = match checkpoint {
            Some(checkpoint) => {
                let config = config.with_classes_of(checkpoint)?;
                RetinaNet::load(&config, &backbone, checkpoint, &Device::Cpu)?
            }
            None => RetinaNet::ghostnet(&config, &backbone, drawn())?,
        };
        if row.backend != Backend::Plan {
            let (batch, whole) = (batch(shape, input)?, row.postprocess);
            return Ok(Self::calls(move || match whole {
                true => net.detect_batch(&batch).map(drop),
                false => net.forward_t(&batch.pixels, false).map(drop),
            }));
        }
        let plan = net.plan(shape, &row.plan_options()?)?;
        if row.show_plan {
            eprintln!("{}", plan.plan());
        }
        if !row.postprocess {
            return Self::of_plan(plan.plan().engine().clone(), input);
        }
        let batch = batch(shape, input)?;
        Ok(Self::calls(move || plan.detect_batch(&batch).map(drop)))
    }

    /// A Semantic FPN for inputs of `shape`.
    pub(crate) fn segmenter(
        row: &Row,
        preset: segmentation::Preset,
        checkpoint: Option<&Checkpoint>,
        (shape, input): (&[usize; 4], Vec<f32>),
    ) -> Result<Self> {
        let (config, backbone) = (preset.config(), Config::v2(1.0));
        let net = match checkpoint {
            Some(checkpoint) => {
                let config = config.with_classes_of(checkpoint)?;
                SemanticFpn::load(&config, &backbone, checkpoint, &Device::Cpu)?
            }
            None => SemanticFpn::ghostnet(&config, &backbone, drawn())?,
        };
        if row.backend != Backend::Plan {
            let (batch, whole) = (batch(shape, input)?, row.postprocess);
            return Ok(Self::calls(move || match whole {
                true => net.segment_batch(&batch).map(drop),
                false => net.forward_t(&batch.pixels, false).map(drop),
            }));
        }
        let plan = net.plan(shape, &row.plan_options()?)?;
        if row.show_plan {
            eprintln!("{}", plan.plan());
        }
        if !row.postprocess {
            return Self::of_plan(plan.plan().engine().clone(), input);
        }
        let batch = batch(shape, input)?;
        Ok(Self::calls(move || plan.segment_batch(&batch).map(drop)))
    }
}

/// Weights that are the same every time.
fn drawn() -> VarBuilder<'static> {
    Seeded::new(1).var_builder(DType::F32, &Device::Cpu)
}

fn batch(shape: &[usize; 4], input: Vec<f32>) -> Result<Batch> {
    Ok(Batch::of_inputs(Tensor::from_vec(input, shape, &Device::Cpu)?)?)
}
