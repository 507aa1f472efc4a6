//! Networks with a head: raw outputs of their plan, or all that an application asks for.

use crate::network::Network;
use crate::row::{Backend, Row};
use anyhow::Result;
use candle::{DType, Device, Tensor};
use cli::networks::Network as Headed;
use ghostnetv2::Config;
use ghostnetv2::weights::Checkpoint;
use heads::Seeded;
use heads::placement::Batch;

/// A network of a kind on GhostNetV2 1.0x, for inputs of a shape.
pub(crate) fn headed<N: Headed + 'static>(
    row: &Row,
    config: &N::Config,
    checkpoint: Option<&Checkpoint>,
    (shape, input): (&[usize; 4], Vec<f32>),
) -> Result<Network> {
    // Weights that are the same every time.
    let drawn = |_| Ok(Seeded::new(1).var_builder(DType::F32, &Device::Cpu));
    let net = N::open(config, &Config::v2(1.0), checkpoint, &Device::Cpu, drawn)?;
    if row.backend != Backend::Plan {
        let (batch, whole) = (batch(shape, input)?, row.postprocess);
        return Ok(Network::calls(move || match whole {
            true => N::answers(net.config(), &net.forward(&batch.pixels)?, &batch).map(drop),
            false => net.forward(&batch.pixels).map(drop),
        }));
    }
    let laid = net.lay_out(shape, &row.plan_options()?)?;
    if row.show_plan {
        eprintln!("{}", N::plan(&laid));
    }
    if !row.postprocess {
        return Network::of_plan(N::plan(&laid).engine().clone(), input);
    }
    let batch = batch(shape, input)?;
    Ok(Network::calls(move || N::answers_laid(&laid, &batch).map(drop)))
}

fn batch(shape: &[usize; 4], input: Vec<f32>) -> Result<Batch> {
    Ok(Batch::of_inputs(Tensor::from_vec(input, shape, &Device::Cpu)?)?)
}
