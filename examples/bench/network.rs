//! The network of a row, loaded and ready to be called.

use crate::random;
use crate::row::{Backend, Row};
use anyhow::{Context, Result};
use candle::{Device, Tensor};
use cli::model::{named, parse_size};
use engine::isa::AnyIsa;
use engine::plan::{Plan, Scratch};
use ghostnetv2::weights::{Checkpoint, ModelSource};
use ghostnetv2::{Calibration, Config, GhostNet, Timings};
use std::sync::Arc;

/// Classes of random weights: ImageNet's number.
const CLASSES: usize = 1000;

/// A network and what it is called with.
pub(crate) enum Network {
    /// A plan with all memory that it needs.
    Plan { plan: Arc<Plan>, scratch: Scratch, input: Vec<f32>, outputs: Vec<Vec<f32>> },
    /// On candle; with the instruction set of this project's kernels, where they are used.
    Candle { net: Box<GhostNet>, input: Tensor, isa: Option<&'static str> },
}

impl Network {
    /// Loads the network of `row`.
    pub(crate) fn load(row: &Row) -> Result<Self> {
        let checkpoint = match &row.weights {
            Some(path) => Some(ModelSource::path(path.clone())?.open_local()?),
            None => None,
        };
        let fused = |checkpoint: &Checkpoint| checkpoint.config().is_ok_and(|c| c.reparameterized);
        let config = Config {
            convolution: row.backend.algorithm(),
            reparameterized: checkpoint.as_ref().is_some_and(fused),
            ..named(&row.which)?
        };
        let (height, width) = parse_size(&row.size)?;
        let shape = [row.batch.into(), config.in_channels, height as usize, width as usize];
        let input = random::numbers("input").take(shape.iter().product()).collect();
        if row.backend == Backend::Plan {
            Self::plan(row, checkpoint.as_ref(), &config, &shape, input)
        } else {
            Self::candle(row, checkpoint.as_ref(), &config, &shape, input)
        }
    }

    fn plan(
        row: &Row,
        checkpoint: Option<&Checkpoint>,
        config: &Config,
        shape: &[usize; 4],
        input: Vec<f32>,
    ) -> Result<Self> {
        let options = row.plan_options()?;
        let plan = match checkpoint {
            Some(checkpoint) => checkpoint.plan(Some(config), shape, &options)?,
            None => GhostNet::plan_from(config, CLASSES, random::weights(), shape, &options)?,
        };
        if row.show_plan {
            eprintln!("{plan}");
        }
        let plan = plan.engine().clone();
        let buffer = |shape: &engine::plan::Shape| vec![0.0; plan.input_shape()[0] * shape.len()];
        let outputs = plan.output_shapes().iter().map(buffer).collect();
        Ok(Self::Plan { scratch: plan.scratch()?, plan, input, outputs })
    }

    fn candle(
        row: &Row,
        checkpoint: Option<&Checkpoint>,
        config: &Config,
        shape: &[usize; 4],
        input: Vec<f32>,
    ) -> Result<Self> {
        let mut net = match checkpoint {
            Some(checkpoint) => checkpoint.ghostnet(Some(config), &Device::Cpu)?,
            None => GhostNet::new(config, CLASSES, random::weights())?,
        };
        net.fuse()?;
        let input = Tensor::from_vec(input, shape, &Device::Cpu)?;
        let isa = (row.backend == Backend::Candle).then(|| AnyIsa::best().name());
        Ok(Self::Candle { net: Box::new(net), input, isa })
    }

    /// Computes once.
    pub(crate) fn run(&mut self) -> Result<()> {
        match self {
            Self::Plan { plan, scratch, input, outputs } => {
                let output = outputs.first_mut().context("a plan without outputs")?;
                plan.run(scratch, input, &mut [output])?;
            }
            Self::Candle { net, input, .. } => drop(net.forward(input)?),
        }
        Ok(())
    }

    /// Computes once and adds the time of each step of a plan.
    pub(crate) fn run_timed(&mut self, timings: &mut Timings) -> Result<()> {
        if let Self::Plan { plan, scratch, input, outputs } = self {
            let output = outputs.first_mut().context("a plan without outputs")?;
            plan.run_timed(scratch, input, &mut [output], timings)?;
        }
        Ok(())
    }

    /// Computes once and takes the ranges of a plan's values.
    pub(crate) fn calibrate(&mut self, ranges: &mut Calibration) -> Result<()> {
        if let Self::Plan { plan, scratch, input, outputs } = self {
            let output = outputs.first_mut().context("a plan without outputs")?;
            plan.calibrate(scratch, input, &mut [output], ranges)?;
        }
        Ok(())
    }

    /// The instruction set of the kernels.
    pub(crate) fn isa(&self) -> Option<&'static str> {
        match self {
            Self::Plan { plan, .. } => Some(plan.network().isa().name()),
            Self::Candle { isa, .. } => *isa,
        }
    }
}
