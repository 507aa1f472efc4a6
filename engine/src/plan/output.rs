//! What a plan writes its outputs to: all values, or those above a floor.

use std::mem::MaybeUninit;

use super::{Plan, PlanError, Shape};
use crate::nhwc::above::Cells;

/// An output of a plan; see [`Plan::outputs`].
#[derive(Debug)]
pub enum Output {
    /// `[batch, channels, height, width]`, or `[batch, channels]` for a vector.
    All(Vec<f32>),
    /// The values above a floor.
    Above(Above),
}

/// The values of an output that are above a floor, cell by cell: a detector computes scores by the
/// million and looks at a thousand. What is not kept is not written either.
#[derive(Debug)]
pub struct Above {
    floor: f32,
    channels: usize,
    /// Rows times columns of one picture.
    cells: usize,
    /// How many values of each cell are kept, pictures one behind the other.
    counts: Vec<u32>,
    /// Room for `channels` values of each cell, of which the first ones are kept.
    kept: Vec<MaybeUninit<Kept>>,
}

/// A value that is above the floor.
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
    /// Room for each output, for [`Plan::run_into`]: for all values, or where `floors` has a number
    /// in its place for those above it, which NaN never is.
    ///
    /// # Errors
    /// No memory.
    ///
    /// # Example
    /// ```
    /// use engine::plan::{Activation, NetworkBuilder, Output, PlanOptions, Window};
    /// use std::sync::Arc;
    ///
    /// // Two channels from one: the value, and twice the value.
    /// let options = PlanOptions::default();
    /// let (mut builder, input) = NetworkBuilder::new(&options, 1);
    /// let window = Window::same((1, 1), 1);
    /// let y = builder.conv(input, window, (&[1.0, 2.0], &[0.0; 2]), Activation::Identity)?;
    /// let plan = Arc::new(builder.build(&[y])).plan([1, 1, 1, 3], &options)?;
    ///
    /// let mut outputs = plan.outputs(&[Some(5.0)])?;
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
    pub fn outputs(&self, floors: &[Option<f32>]) -> Result<Vec<Output>, PlanError> {
        let floors = floors.iter().copied().chain(std::iter::repeat(None));
        let batch = self.input_shape()[0];
        let room = |(shape, floor): (&Shape, Option<f32>)| match floor {
            None => Ok(Output::All(zeros(batch * shape.len())?)),
            Some(floor) => Ok(Output::Above(Above {
                floor,
                channels: shape.channels,
                cells: shape.pixels(),
                counts: zeros(batch * shape.pixels())?,
                kept: uninitialised(batch * shape.len())?,
            })),
        };
        self.output_shapes().iter().zip(floors).map(room).collect()
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

    /// Whether it is for `batch` pictures of this shape.
    pub(super) fn check(&self, batch: usize, shape: &Shape) -> Result<(), PlanError> {
        match self {
            Self::All(values) => PlanError::expect_len("output", batch * shape.len(), values.len()),
            Self::Above(above) => {
                PlanError::expect_len("output's channels", shape.channels, above.channels)?;
                PlanError::expect_len("output's cells", shape.pixels(), above.cells)?;
                PlanError::expect_len("output", batch * shape.len(), above.kept.len())
            }
        }
    }

    /// Where a plan writes it to.
    pub(super) fn destination(&mut self) -> Destination {
        match self {
            Self::All(values) => Destination::All(values.as_mut_ptr()),
            Self::Above(Above { floor, channels, counts, kept, .. }) => Destination::Above(Cells {
                floor: *floor,
                channels: *channels,
                counts: counts.as_mut_ptr(),
                kept: kept.as_mut_ptr().cast(),
            }),
        }
    }
}

impl Above {
    /// Values must be above.
    pub fn floor(&self) -> f32 {
        self.floor
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

fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, PlanError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| PlanError::Memory { elements: len })?;
    vec.resize(len, T::default());
    Ok(vec)
}

/// Pages that nobody writes to cost nothing.
fn uninitialised<T>(len: usize) -> Result<Vec<MaybeUninit<T>>, PlanError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| PlanError::Memory { elements: len })?;
    // SAFETY: there is room for so many, and none needs to be initialised.
    unsafe { vec.set_len(len) };
    Ok(vec)
}
