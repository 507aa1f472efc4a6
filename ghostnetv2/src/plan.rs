//! Plans: a network laid out for inference on a CPU.
//!
//! A plan holds the network's weights with batch-norm folded and packed for the CPU's instruction
//! set, and a layout for each input shape that it has met lately. It is immutable to its users:
//! share it between threads.

use crate::MIN_SIDE;
use candle::{CpuStorage, DType, Device, Error, Result, Storage, Tensor, bail};
use engine::plan::{Network, PlanOptions, Scratch, Timings};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Layouts of other shapes that are kept: a few sizes of pictures in turn.
const KEPT: usize = 4;

/// A network laid out for inference on a CPU; see [`GhostNet::plan`](crate::GhostNet::plan).
pub struct Plan {
    network: Arc<Network>,
    options: PlanOptions,
    /// The shape that it was made for.
    first: Arc<engine::plan::Plan>,
    /// Lately used shapes, the last one in front.
    layouts: Mutex<VecDeque<Layout>>,
}

/// The layout of one shape, and memory to run in that no call holds now.
struct Layout {
    plan: Arc<engine::plan::Plan>,
    idle: Vec<Scratch>,
}

impl Plan {
    pub(crate) fn new(
        network: Network,
        shape: &[usize; 4],
        options: &PlanOptions,
    ) -> Result<Self> {
        let network = Arc::new(network);
        let first = Arc::new(lay_out(&network, *shape, options)?);
        let layouts = Mutex::new(VecDeque::from([Layout { plan: first.clone(), idle: vec![] }]));
        Ok(Self { network, options: *options, first, layouts })
    }

    /// The first output: `[B, 3, H, W]` → class scores `[B, classes]`, or the pyramid's first
    /// level. A shape that is new is laid out first.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut outputs = self.forward_all(x)?.into_iter();
        outputs.next().ok_or_else(|| Error::Msg("a plan without outputs".into()))
    }

    /// All outputs.
    ///
    /// # Errors
    /// As [`Plan::forward`].
    pub fn forward_all(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let (b, c, h, w) = x.dims4()?;
        let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
        let (storage, layout) = x.storage_and_layout();
        let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
            (&*storage, layout.contiguous_offsets())
        else {
            bail!("an input that could not be read as f32 in memory")
        };
        let outputs = self.run([b, c, h, w], &values[start..end])?;
        outputs
            .into_iter()
            .map(|(shape, values)| Tensor::from_vec(values, shape, &Device::Cpu))
            .collect()
    }

    /// All outputs without candle's tensors: shape and values of each.
    ///
    /// # Errors
    /// As [`Plan::forward`], or `input` of another length than `shape` says.
    pub fn run(&self, shape: [usize; 4], input: &[f32]) -> Result<Vec<(Vec<usize>, Vec<f32>)>> {
        self.with_layout(shape, |plan, scratch| {
            let mut outputs = buffers(plan);
            let mut slices: Vec<_> = outputs.iter_mut().map(|(_, v)| v.as_mut_slice()).collect();
            plan.run(scratch, input, &mut slices).map_err(Error::wrap)?;
            Ok(outputs)
        })
    }

    /// As [`Plan::run`] for the first shape, timing each step; what it computes is dropped.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn time(&self, input: &[f32], timings: &mut Timings) -> Result<()> {
        self.with_layout(self.first.input_shape(), |plan, scratch| {
            let mut outputs = buffers(plan);
            let mut slices: Vec<_> = outputs.iter_mut().map(|(_, v)| v.as_mut_slice()).collect();
            plan.run_timed(scratch, input, &mut slices, timings).map_err(Error::wrap)
        })
    }

    /// The layout of the first shape, for callers that hold memory and outputs themselves:
    /// [`engine::plan::Plan::run`] allocates nothing.
    pub fn engine(&self) -> &Arc<engine::plan::Plan> {
        &self.first
    }

    /// Runs `work` on the layout of a shape, with memory that nobody else uses meanwhile.
    fn with_layout<T>(
        &self,
        shape: [usize; 4],
        work: impl FnOnce(&engine::plan::Plan, &mut Scratch) -> Result<T>,
    ) -> Result<T> {
        let (plan, scratch) = self.take(shape)?;
        let mut scratch = match scratch {
            Some(scratch) => scratch,
            None => plan.scratch().map_err(Error::wrap)?,
        };
        let result = work(&plan, &mut scratch);
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = layouts.iter_mut().find(|layout| Arc::ptr_eq(&layout.plan, &plan)) {
            layout.idle.push(scratch);
        }
        result
    }

    fn take(&self, shape: [usize; 4]) -> Result<(Arc<engine::plan::Plan>, Option<Scratch>)> {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = layouts.iter().position(|layout| layout.plan.input_shape() == shape);
        let mut layout = match known.and_then(|place| layouts.remove(place)) {
            Some(layout) => layout,
            None if shape == self.first.input_shape() => {
                Layout { plan: self.first.clone(), idle: vec![] }
            }
            None => {
                let plan = lay_out(&self.network, shape, &self.options)?;
                Layout { plan: Arc::new(plan), idle: vec![] }
            }
        };
        let taken = (layout.plan.clone(), layout.idle.pop());
        layouts.push_front(layout);
        layouts.truncate(KEPT);
        Ok(taken)
    }
}

/// Shape and room for each output.
fn buffers(plan: &engine::plan::Plan) -> Vec<(Vec<usize>, Vec<f32>)> {
    let batch = plan.input_shape()[0];
    let buffer = |(shape, vector): (&engine::plan::Shape, bool)| {
        let mut dims = vec![batch, shape.channels];
        if !vector {
            dims.extend([shape.height, shape.width]);
        }
        (dims, vec![0.0; batch * shape.len()])
    };
    plan.output_shapes().iter().zip(plan.network().output_vectors()).map(buffer).collect()
}

fn lay_out(
    network: &Arc<Network>,
    shape: [usize; 4],
    options: &PlanOptions,
) -> Result<engine::plan::Plan> {
    if shape[2] < MIN_SIDE || shape[3] < MIN_SIDE {
        bail!("input {shape:?} is too small: expected at least {MIN_SIDE} pixels a side")
    }
    network.plan(shape, options).map_err(Error::wrap)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("first", &self.first).finish_non_exhaustive()
    }
}
