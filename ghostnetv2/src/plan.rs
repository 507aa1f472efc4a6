//! Plans: a network laid out for inference on a CPU.
//!
//! A plan holds the network's weights with batch-norm folded and packed for the CPU's instruction
//! set, and a layout for each input shape that it has met lately. It is immutable to its users:
//! share it between threads.

use crate::MIN_SIDE;
use candle::{CpuStorage, DType, Device, Error, Result, Storage, Tensor, bail};
use engine::plan::{
    Calibration, Network, Output, PlanError, PlanOptions, Scratch, Selection, Timings,
};
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
    idle: Vec<Memory>,
}

/// What a run works in.
struct Memory {
    scratch: Scratch,
    /// Where it writes to for those who look at it there, and what they asked for.
    outputs: Vec<Output>,
    selections: Vec<Option<Selection>>,
}

/// What a run is watched for.
enum Watch<'a> {
    Nothing,
    Times(&'a mut Timings),
    Ranges(&'a mut Calibration),
}

impl Plan {
    /// A plan of a network that was built with these options, laid out for inputs of `shape`
    /// `[B, C, H, W]`; heads make theirs so, see [`Pyramid::lower`](crate::Pyramid::lower).
    ///
    /// # Errors
    /// A shape that the network can't take, or no memory.
    pub fn new(network: Network, shape: &[usize; 4], options: &PlanOptions) -> Result<Self> {
        let network = Arc::new(network);
        let first = Arc::new(lay_out(&network, *shape, options)?);
        let layouts = Mutex::new(VecDeque::from([Layout { plan: first.clone(), idle: vec![] }]));
        Ok(Self { network, options: options.clone(), first, layouts })
    }

    /// The first output: `[B, 3, H, W]` → class scores `[B, classes]`, or the pyramid's first
    /// level. A shape that is new is laid out first.
    ///
    /// # Errors
    /// An input that the network can't take.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        first(self.tensors(x, Watch::Nothing)?)
    }

    /// As [`Plan::forward`], and adds the time of each step to `timings`; the pictures of a batch
    /// go through one by one.
    ///
    /// # Errors
    /// As [`Plan::forward`].
    pub fn forward_timed(&self, x: &Tensor, timings: &mut Timings) -> Result<Tensor> {
        first(self.forward_all_timed(x, timings)?)
    }

    /// Runs an f32 plan and widens `calibration` by the ranges of its values, for a plan of the
    /// same network in [`Precision::Int8`](crate::Precision::Int8).
    ///
    /// # Errors
    /// As [`Plan::forward`]; a plan in another precision, ranges of another network.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use ghostnetv2::{Calibration, Config, GhostNet, PlanOptions, Precision};
    /// # fn main() -> candle::Result<()> {
    /// # let vb = candle_nn::VarBuilder::zeros(DType::F32, &Device::Cpu);
    /// let net = GhostNet::new(&Config::v2(0.5), 10, vb)?;
    /// let (shape, options) = ([1, 3, 64, 64], PlanOptions::default());
    /// let pictures = [Tensor::rand(-2f32, 2f32, &shape, &Device::Cpu)?];
    ///
    /// let exact = net.plan(&shape, &options)?;
    /// let mut ranges = Calibration::default();
    /// pictures.iter().try_for_each(|picture| exact.calibrate(picture, &mut ranges))?;
    ///
    /// let options = options.with_precision(Precision::Int8).with_calibration(ranges);
    /// let plan = net.plan(&shape, &options)?;
    /// assert_eq!(plan.forward(&pictures[0])?.dims(), [1, 10]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn calibrate(&self, x: &Tensor, calibration: &mut Calibration) -> Result<()> {
        self.tensors(x, Watch::Ranges(calibration)).map(drop)
    }

    /// All outputs.
    ///
    /// # Errors
    /// As [`Plan::forward`].
    pub fn forward_all(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.tensors(x, Watch::Nothing)
    }

    /// As [`Plan::forward_all`], and adds the time of each step to `timings`; the pictures of a
    /// batch go through one by one.
    ///
    /// # Errors
    /// As [`Plan::forward`].
    pub fn forward_all_timed(&self, x: &Tensor, timings: &mut Timings) -> Result<Vec<Tensor>> {
        self.tensors(x, Watch::Times(timings))
    }

    /// Looks at all outputs, with the shape of each, where the plan has written them: in memory that
    /// the next call uses again. Large outputs come sooner so than as tensors, and still sooner
    /// where `selections` says in an output's place which of its values are wanted: others are not
    /// written then.
    ///
    /// # Errors
    /// As [`Plan::forward`], and those of `look`.
    ///
    /// # Example
    /// ```
    /// use candle::{DType, Device, Tensor};
    /// use ghostnetv2::{Config, GhostNet, Output, PlanOptions, Selection};
    /// # fn main() -> candle::Result<()> {
    /// # let vb = candle_nn::VarBuilder::zeros(DType::F32, &Device::Cpu);
    /// let net = GhostNet::new(&Config::v2(0.5), 10, vb)?;
    /// let plan = net.plan(&[2, 3, 64, 64], &PlanOptions::default())?;
    /// let x = Tensor::zeros((2, 3, 64, 64), DType::F32, &Device::Cpu)?;
    /// let positive = Selection { above: 0.0, most: 10 };
    /// let classes = plan.forward_with(&x, &[Some(positive)], |outputs| {
    ///     let (shape, Output::Above(scores)) = &outputs[0] else { unreachable!() };
    ///     assert_eq!(shape, &[2, 10]);
    ///     Ok(scores.picture(0).iter().flatten().map(|kept| kept.channel).collect::<Vec<_>>())
    /// })?;
    /// assert!(classes.len() <= 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn forward_with<T>(
        &self,
        x: &Tensor,
        selections: &[Option<Selection>],
        look: impl FnOnce(&[(Vec<usize>, &Output)]) -> Result<T>,
    ) -> Result<T> {
        with_values(x, |shape, input| {
            let (plan, mut memory) = self.take(shape)?;
            let computed = memory
                .outputs_for(&plan, selections)
                .and_then(|(scratch, outputs)| plan.run_into(scratch, input, outputs));
            let seen = match computed {
                Ok(()) => look(&shapes(&plan).zip(&memory.outputs).collect::<Vec<_>>()),
                Err(error) => Err(Error::wrap(error)),
            };
            self.give_back(&plan, memory);
            seen
        })
    }

    /// All outputs without candle's tensors: shape and values of each.
    ///
    /// # Errors
    /// As [`Plan::forward`], or `input` of another length than `shape` says.
    pub fn run(&self, shape: [usize; 4], input: &[f32]) -> Result<Vec<(Vec<usize>, Vec<f32>)>> {
        self.outputs(shape, input, Watch::Nothing)
    }

    /// As [`Plan::run`] for the first shape, timing each step; what it computes is dropped.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn time(&self, input: &[f32], timings: &mut Timings) -> Result<()> {
        self.outputs(self.first.input_shape(), input, Watch::Times(timings)).map(drop)
    }

    /// The layout of the first shape, for callers that hold memory and outputs themselves:
    /// [`engine::plan::Plan::run`] allocates nothing.
    pub fn engine(&self) -> &Arc<engine::plan::Plan> {
        &self.first
    }

    fn tensors(&self, x: &Tensor, watch: Watch) -> Result<Vec<Tensor>> {
        let outputs = with_values(x, |shape, input| self.outputs(shape, input, watch))?;
        outputs
            .into_iter()
            .map(|(shape, values)| Tensor::from_vec(values, shape, &Device::Cpu))
            .collect()
    }

    fn outputs(
        &self,
        shape: [usize; 4],
        input: &[f32],
        watch: Watch,
    ) -> Result<Vec<(Vec<usize>, Vec<f32>)>> {
        let (plan, mut memory) = self.take(shape)?;
        let scratch = &mut memory.scratch;
        let result = match watch {
            Watch::Nothing => plan.run_to_vecs(scratch, input),
            watched => {
                let mut outputs = zeros(&plan);
                let slices = &mut slices(&mut outputs);
                match watched {
                    Watch::Times(timings) => plan.run_timed(scratch, input, slices, timings),
                    Watch::Ranges(ranges) => plan.calibrate(scratch, input, slices, ranges),
                    Watch::Nothing => plan.run(scratch, input, slices),
                }
                .map(|()| outputs)
            }
        };
        self.give_back(&plan, memory);
        Ok(shapes(&plan).zip(result.map_err(Error::wrap)?).collect())
    }

    /// Keeps the memory for the next run, unless the layout was dropped meanwhile.
    fn give_back(&self, plan: &Arc<engine::plan::Plan>, memory: Memory) {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = layouts.iter_mut().find(|layout| Arc::ptr_eq(&layout.plan, plan)) {
            layout.idle.push(memory);
        }
    }

    /// The layout of a shape, and memory that nobody else uses.
    fn take(&self, shape: [usize; 4]) -> Result<(Arc<engine::plan::Plan>, Memory)> {
        let (plan, idle) = self.layout(shape)?;
        let memory = match idle {
            Some(memory) => memory,
            None => Memory {
                scratch: plan.scratch().map_err(Error::wrap)?,
                outputs: vec![],
                selections: vec![],
            },
        };
        Ok((plan, memory))
    }

    /// The layout of a shape, and memory of it if some lies idle.
    fn layout(&self, shape: [usize; 4]) -> Result<(Arc<engine::plan::Plan>, Option<Memory>)> {
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

impl Memory {
    /// Scratch, and outputs as they are asked for: those of the last call, if it asked for the same.
    fn outputs_for(
        &mut self,
        plan: &engine::plan::Plan,
        selections: &[Option<Selection>],
    ) -> std::result::Result<(&mut Scratch, &mut [Output]), PlanError> {
        if self.outputs.is_empty() || self.selections != selections {
            self.outputs = plan.outputs(selections)?;
            self.selections = selections.to_vec();
        }
        Ok((&mut self.scratch, &mut self.outputs))
    }
}

/// Calls `run` with the shape and the values of a tensor.
fn with_values<T>(x: &Tensor, run: impl FnOnce([usize; 4], &[f32]) -> Result<T>) -> Result<T> {
    let (b, c, h, w) = x.dims4()?;
    let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    else {
        bail!("an input that could not be read as f32 in memory")
    };
    run([b, c, h, w], &values[start..end])
}

fn first(outputs: Vec<Tensor>) -> Result<Tensor> {
    let first = outputs.into_iter().next();
    first.ok_or_else(|| Error::Msg("a plan without outputs".into()))
}

/// The shape of each output.
fn shapes(plan: &engine::plan::Plan) -> impl Iterator<Item = Vec<usize>> {
    let batch = plan.input_shape()[0];
    let dims = move |(shape, vector): (&engine::plan::Shape, bool)| {
        let mut dims = vec![batch, shape.channels];
        if !vector {
            dims.extend([shape.height, shape.width]);
        }
        dims
    };
    plan.output_shapes().iter().zip(plan.network().output_vectors()).map(dims)
}

fn slices(outputs: &mut [Vec<f32>]) -> Vec<&mut [f32]> {
    outputs.iter_mut().map(Vec::as_mut_slice).collect()
}

/// Room for each output.
fn zeros(plan: &engine::plan::Plan) -> Vec<Vec<f32>> {
    let batch = plan.input_shape()[0];
    plan.output_shapes().iter().map(|shape| vec![0.0; batch * shape.len()]).collect()
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
