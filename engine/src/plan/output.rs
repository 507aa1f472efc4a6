//! What a plan writes its outputs to: all values, or the highest.

use std::mem::MaybeUninit;

use super::run::Watch;
use super::{Plan, PlanError, Scratch, Shape};
use crate::nhwc::above::{Cells, window};

/// An output of a plan; see [`Plan::outputs`].
#[derive(Debug)]
pub enum Output {
    /// `[batch, channels, height, width]`, or `[batch, channels]` for a vector.
    All(Vec<f32>),
    /// The highest values.
    Above(Above),
}

/// Which values of an output are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// Those above this number, which NaN never is.
    pub above: f32,
    /// Of each picture, so many: the highest and their equals. Of lower ones some may be kept too,
    /// depending on how the work is divided.
    pub most: usize,
}

/// The highest values of an output, cell by cell: a detector computes scores by the million and
/// looks at a thousand. What is not kept is not written either.
#[derive(Debug)]
pub struct Above {
    selection: Selection,
    channels: usize,
    /// Rows times columns of one picture.
    cells: usize,
    /// How many values of each cell are kept, pictures one behind the other.
    counts: Vec<u32>,
    /// Room for `channels` values of each cell, of which the first ones are kept.
    kept: Vec<MaybeUninit<Kept>>,
    /// What the parts look back on.
    highest: Vec<f32>,
    /// For each picture.
    parts: usize,
}

/// A value that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// What it is of.
    pub channel: u32,
    /// How much it is.
    pub value: f32,
}

/// What is kept of one picture.
#[derive(Clone, Copy, Debug)]
pub struct KeptCells<'a> {
    channels: usize,
    counts: &'a [u32],
    kept: &'a [MaybeUninit<Kept>],
}

/// Where one output of a running plan goes.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    /// The first value of the first picture.
    All(*mut f32),
    /// The lists of the first picture.
    Above(Cells),
}

impl Plan {
    /// Room for each output, for [`Plan::run_into`]: for what `selections` has in its place, or for
    /// all values.
    ///
    /// # Errors
    /// No memory.
    ///
    /// # Example
    /// ```
    /// use engine::plan::{Activation, NetworkBuilder, Output, PlanOptions, Selection, Window};
    /// use std::sync::Arc;
    ///
    /// // Two channels from one: the value, and twice the value.
    /// let options = PlanOptions::default();
    /// let (mut builder, input) = NetworkBuilder::new(&options, 1);
    /// let window = Window::same((1, 1), 1);
    /// let y = builder.conv(input, window, (&[1.0, 2.0], &[0.0; 2]), Activation::Identity)?;
    /// let plan = Arc::new(builder.build(&[y])).plan([1, 1, 1, 3], &options)?;
    ///
    /// let mut outputs = plan.outputs(&[Some(Selection { above: 5.0, most: 10 })])?;
    /// plan.run_into(&mut plan.scratch()?, &[1.0, 3.0, 9.0], &mut outputs)?;
    /// let [Output::Above(above)] = &outputs[..] else { unreachable!() };
    /// let kept: Vec<Vec<(u32, f32)>> = above
    ///     .picture(0)
    ///     .iter()
    ///     .map(|cell| cell.iter().map(|kept| (kept.channel, kept.value)).collect())
    ///     .collect();
    /// assert_eq!(kept, [vec![], vec![(1, 6.0)], vec![(0, 9.0), (1, 18.0)]]);
    /// # Ok::<(), engine::plan::PlanError>(())
    /// ```
    pub fn outputs(&self, selections: &[Option<Selection>]) -> Result<Vec<Output>, PlanError> {
        let selections = selections.iter().copied().chain(std::iter::repeat(None));
        let batch = self.input_shape()[0];
        let parts = self.threads();
        let room = |(shape, selection): (&Shape, Option<Selection>)| match selection {
            None => Ok(Output::All(zeros(batch * shape.len())?)),
            Some(selection) => Ok(Output::Above(Above {
                selection,
                channels: shape.channels,
                cells: shape.pixels(),
                counts: zeros(batch * shape.pixels())?,
                kept: uninitialised(batch * shape.len())?,
                highest: zeros(batch.saturating_mul(parts).saturating_mul(window(selection)))?,
                parts,
            })),
        };
        self.output_shapes().iter().zip(selections).map(room).collect()
    }

    /// As [`Plan::run`], to `outputs` that [`Plan::outputs`] made room for, whole or not.
    ///
    /// # Errors
    /// As [`Plan::run`]; outputs of another plan.
    pub fn run_into(
        &self,
        scratch: &mut Scratch,
        input: &[f32],
        outputs: &mut [Output],
    ) -> Result<(), PlanError> {
        self.check(scratch, input)?;
        PlanError::expect_len("list of outputs", self.output_shapes().len(), outputs.len())?;
        for (shape, output) in self.output_shapes().iter().zip(outputs.iter()) {
            output.check((self.batch, self.threads()), shape)?;
        }
        // SAFETY: each has just been checked.
        unsafe {
            let room = outputs.iter_mut().map(Output::destination);
            self.run_to(scratch, input, room, Watch::default());
        }
        Ok(())
    }
}

impl Output {
    /// All values, if it has them.
    pub fn values(&self) -> Option<&[f32]> {
        match self {
            Self::All(values) => Some(values),
            Self::Above(_) => None,
        }
    }

    /// Whether it is for `batch` pictures of this shape, each in at most `parts` parts.
    pub(super) fn check(
        &self,
        (batch, parts): (usize, usize),
        shape: &Shape,
    ) -> Result<(), PlanError> {
        match self {
            Self::All(values) => PlanError::expect_len("output", batch * shape.len(), values.len()),
            Self::Above(above) => {
                PlanError::expect_len("output's channels", shape.channels, above.channels)?;
                PlanError::expect_len("output's cells", shape.pixels(), above.cells)?;
                PlanError::expect_len("output's parts", parts, above.parts)?;
                PlanError::expect_len("output", batch * shape.len(), above.kept.len())
            }
        }
    }

    /// Where a plan writes it to.
    pub(super) fn destination(&mut self) -> Destination {
        match self {
            Self::All(values) => Destination::All(values.as_mut_ptr()),
            Self::Above(above) => Destination::Above(Cells {
                selection: above.selection,
                channels: above.channels,
                counts: above.counts.as_mut_ptr(),
                kept: above.kept.as_mut_ptr().cast(),
                highest: above.highest.as_mut_ptr(),
                parts: above.parts,
            }),
        }
    }
}

impl Above {
    /// Which values are kept.
    pub fn selection(&self) -> Selection {
        self.selection
    }

    /// What is kept of picture `picture` of the batch.
    ///
    /// # Panics
    /// If there is no such picture.
    pub fn picture(&self, picture: usize) -> KeptCells<'_> {
        let (cells, channels) = (self.cells, self.channels);
        let counts = &self.counts[picture * cells..][..cells];
        let kept = &self.kept[picture * cells * channels..][..cells * channels];
        KeptCells { channels, counts, kept }
    }
}

impl<'a> KeptCells<'a> {
    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows times columns of the output.
    pub fn cells(&self) -> usize {
        self.counts.len()
    }

    /// What is kept of each cell, row by row; there by rising channel.
    pub fn iter(&self) -> impl Iterator<Item = &'a [Kept]> + use<'a> {
        self.counts.iter().zip(self.kept.chunks_exact(self.channels)).map(|(&count, list)| {
            let kept = &list[..count as usize];
            // SAFETY: so many have been written, and both types have one layout.
            unsafe { std::slice::from_raw_parts(kept.as_ptr().cast(), kept.len()) }
        })
    }
}

/// An empty vector with room for so many.
pub(super) fn with_room<T>(len: usize) -> Result<Vec<T>, PlanError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| PlanError::Memory { elements: len })?;
    Ok(vec)
}

fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, PlanError> {
    let mut vec = with_room(len)?;
    vec.resize(len, T::default());
    Ok(vec)
}

/// Pages that nobody writes to cost nothing.
fn uninitialised<T>(len: usize) -> Result<Vec<MaybeUninit<T>>, PlanError> {
    let mut vec = with_room(len)?;
    // SAFETY: there is room for so many, and none needs to be initialised.
    unsafe { vec.set_len(len) };
    Ok(vec)
}
