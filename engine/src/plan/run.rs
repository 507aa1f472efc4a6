//! Running a plan.

use std::sync::Arc;
use std::time::Instant;

use super::graph::Network;
use super::observe::Ranges;
use super::output::{Destination, with_room};
use super::step::{Step, Steps};
use super::task::Frame;
use super::timing::{Timings, kind};
use super::{Calibration, PlanError, Precision, Shape};
use crate::buffer::Buffer;
use crate::team::{Session, Team};

/// A network laid out for one input shape. Immutable; share it between threads.
pub struct Plan {
    pub(super) network: Arc<Network>,
    pub(super) steps: Steps,
    pub(super) team: Arc<Team>,
    pub(super) batch: usize,
    pub(super) input: Shape,
    pub(super) outputs: Vec<Shape>,
}

/// The memory that one running plan works in: one for each thread that calls [`Plan::run`].
pub struct Scratch {
    /// One for each picture that is in work at a time.
    arenas: Vec<Buffer>,
    batch: Buffer,
    /// One for each member of the team.
    members: Vec<Buffer>,
    outputs: Vec<Destination>,
}

// SAFETY: `outputs` is empty but while a plan runs, which borrows the scratch.
unsafe impl Send for Scratch {}
// SAFETY: as above; a shared scratch can do nothing.
unsafe impl Sync for Scratch {}

impl Plan {
    /// `[batch, channels, height, width]` of the input.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.input.channels, self.input.height, self.input.width]
    }

    /// Shapes of the outputs for one picture; vectors are maps of one pixel.
    pub fn output_shapes(&self) -> &[Shape] {
        &self.outputs
    }

    /// The network that this plan runs.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Threads that take part, the caller among them.
    pub fn threads(&self) -> usize {
        self.team.members()
    }

    /// Multiply-adds of one picture.
    pub fn multiply_adds(&self) -> usize {
        self.steps.picture.iter().chain(&self.steps.batch).map(|step| step.work).sum()
    }

    /// Bytes that [`Plan::scratch`] takes.
    pub fn scratch_bytes(&self) -> usize {
        let arenas = self.batch.min(self.threads());
        let elements = arenas * self.steps.arena_len
            + self.steps.batch_len
            + self.threads() * self.steps.scratch_len;
        elements * size_of::<f32>()
    }

    /// Memory to run in.
    ///
    /// # Errors
    /// No memory.
    pub fn scratch(&self) -> Result<Scratch, PlanError> {
        let arenas = self.batch.min(self.threads());
        let buffers = |count: usize, len: usize| -> Result<Vec<Buffer>, PlanError> {
            (0..count).map(|_| Ok(Buffer::zeroed(len)?)).collect()
        };
        Ok(Scratch {
            arenas: buffers(arenas, self.steps.arena_len)?,
            batch: Buffer::zeroed(self.steps.batch_len)?,
            members: buffers(self.threads(), self.steps.scratch_len)?,
            outputs: Vec::with_capacity(self.outputs.len()),
        })
    }

    /// Runs the plan: `input` is `[batch, channels, height, width]`, each output
    /// `[batch, channels, height, width]` or, for vectors, `[batch, channels]`. Allocates nothing.
    ///
    /// # Errors
    /// Slices of other lengths, or the scratch of another plan.
    pub fn run(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), PlanError> {
        self.run_with(scratch, input, outputs, Watch::default())
    }

    /// As [`Plan::run`], to memory of its own, which need not be filled with zeros before.
    ///
    /// # Errors
    /// As [`Plan::run`]; no memory.
    pub fn run_to_vecs(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
    ) -> Result<Vec<Vec<f32>>, PlanError> {
        self.check(scratch, input)?;
        let lengths = self.outputs.iter().map(|shape| self.batch * shape.len());
        let mut outputs = lengths.clone().map(with_room).collect::<Result<Vec<_>, _>>()?;
        let room = outputs.iter_mut().map(|output| Destination::All(output.as_mut_ptr()));
        // SAFETY: each has room for its output.
        unsafe { self.run_to(scratch, input, room, Watch::default()) };
        for (output, len) in outputs.iter_mut().zip(lengths) {
            // SAFETY: there is room for so many, and every output is written as a whole.
            unsafe { output.set_len(len) };
        }
        Ok(outputs)
    }

    /// As [`Plan::run`], and adds the time of each step to `timings`; pictures come one by one.
    ///
    /// # Errors
    /// As [`Plan::run`].
    pub fn run_timed(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: &mut [&mut [f32]],
        timings: &mut Timings,
    ) -> Result<(), PlanError> {
        self.run_with(scratch, input, outputs, Watch { timings: Some(timings), ranges: None })
    }

    /// As [`Plan::run`], and widens `calibration` by the values that the matrices are multiplied
    /// with; pictures come one by one.
    ///
    /// # Errors
    /// As [`Plan::run`]; a plan that is not in f32, ranges of another network, values that are no
    /// numbers.
    pub fn calibrate(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: &mut [&mut [f32]],
        calibration: &mut Calibration,
    ) -> Result<(), PlanError> {
        if self.network.precision != Precision::F32 {
            let reason = format!("ranges from {:?}: expected an f32 plan", self.network.precision);
            return Err(PlanError::calibration(reason));
        }
        calibration.expect_nodes(self.network.nodes.len())?;
        let mut ranges = Ranges { calibration, result: Ok(()) };
        let watch = Watch { timings: None, ranges: Some(&mut ranges) };
        self.run_with(scratch, input, outputs, watch)?;
        ranges.result
    }

    fn run_with(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: &mut [&mut [f32]],
        watch: Watch,
    ) -> Result<(), PlanError> {
        self.check(scratch, input)?;
        PlanError::expect_len("list of outputs", self.outputs.len(), outputs.len())?;
        for (shape, output) in self.outputs.iter().zip(outputs.iter()) {
            PlanError::expect_len("output", self.batch * shape.len(), output.len())?;
        }
        let room = outputs.iter_mut().map(|output| Destination::All(output.as_mut_ptr()));
        // SAFETY: each leads to as much as its output has.
        unsafe { self.run_to(scratch, input, room, watch) };
        Ok(())
    }

    /// Runs the plan, whose input and scratch have been checked.
    ///
    /// # Safety
    /// There must be a destination for each output, with room for all of it.
    pub(super) unsafe fn run_to(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: impl Iterator<Item = Destination>,
        mut watch: Watch,
    ) {
        let Scratch { arenas, batch, members, outputs: destinations } = scratch;
        destinations.clear();
        destinations.extend(outputs);
        let memory = Memory {
            arenas,
            members,
            frame: Frame {
                input: input.as_ptr(),
                arena: std::ptr::null_mut(),
                batch: batch.as_mut_ptr(),
                picture: 0,
                outputs: destinations,
            },
        };
        let mut session = self.team.session();
        let alone = session.members();
        // Pictures side by side, each on one thread, as long as there is one for each; the rest
        // one by one, each step on all threads. Both give the same bits.
        let abreast = if watch.is_on() || alone == 1 || memory.arenas.len() < alone {
            0
        } else {
            self.batch / alone * alone
        };
        session.run(abreast, &|picture, member| {
            let frame = self.frame(&memory, member, picture);
            for step in &self.steps.picture {
                // SAFETY: arena and scratch are the member's own, outputs the picture's own.
                unsafe { step.run(&self.network, (0, 1), &frame, memory.member(member)) };
            }
        });
        for picture in abreast..self.batch {
            let frame = self.frame(&memory, 0, picture);
            self.steps(&self.steps.picture, &frame, &memory, &mut session, &mut watch);
        }
        let frame = Frame { picture: self.batch, ..memory.frame };
        self.steps(&self.steps.batch, &frame, &memory, &mut session, &mut watch);
        destinations.clear();
    }

    /// Runs steps one by one, each on the whole team.
    fn steps(
        &self,
        steps: &[Step],
        frame: &Frame,
        memory: &Memory,
        session: &mut Session,
        watch: &mut Watch,
    ) {
        for step in steps {
            if let Some(ranges) = watch.ranges.as_deref_mut() {
                // SAFETY: no step runs now, and those that fill what this one reads have run.
                unsafe { ranges.observe(&self.network, step, frame) };
            }
            let start = watch.timings.is_some().then(Instant::now);
            let parts = step.split.parts.min(session.members());
            session.run(parts, &|part, member| {
                // SAFETY: parts of a step are disjoint, and the scratch is the member's own.
                unsafe { step.run(&self.network, (part, parts), frame, memory.member(member)) }
            });
            if let (Some(timings), Some(start)) = (watch.timings.as_deref_mut(), start) {
                timings.add(kind(&self.network, step), step.work, start.elapsed());
            }
        }
    }

    fn frame<'a>(&self, memory: &'a Memory, member: usize, picture: usize) -> Frame<'a> {
        let input = memory.frame.input.wrapping_add(picture * self.input.len());
        let arena = memory.arenas[member].pointer();
        Frame { input, arena, picture, ..memory.frame }
    }

    pub(super) fn check(&self, scratch: &Scratch, input: &[f32]) -> Result<(), PlanError> {
        PlanError::expect_len("input", self.batch * self.input.len(), input.len())?;
        let wrong = "scratch of another plan";
        let arenas = self.batch.min(self.threads());
        PlanError::expect_len(wrong, arenas, scratch.arenas.len())?;
        PlanError::expect_len(wrong, self.threads(), scratch.members.len())?;
        PlanError::expect_len(wrong, self.steps.batch_len, scratch.batch.len())?;
        for arena in &scratch.arenas {
            PlanError::expect_len(wrong, self.steps.arena_len, arena.len())?;
        }
        for member in &scratch.members {
            PlanError::expect_len(wrong, self.steps.scratch_len, member.len())?;
        }
        Ok(())
    }
}

/// Who wants to know what of a run.
#[derive(Default)]
pub(super) struct Watch<'a, 'b> {
    timings: Option<&'a mut Timings>,
    ranges: Option<&'a mut Ranges<'b>>,
}

impl Watch<'_, '_> {
    fn is_on(&self) -> bool {
        self.timings.is_some() || self.ranges.is_some()
    }
}

/// The scratch of a running plan, as its threads share it.
struct Memory<'a> {
    arenas: &'a mut [Buffer],
    members: &'a mut [Buffer],
    frame: Frame<'a>,
}

impl Memory<'_> {
    fn member(&self, member: usize) -> *mut f32 {
        self.members[member].pointer()
    }
}
