//! A scale and a shift for each channel.

use crate::PlanError;
use crate::buffer::{Kept, Store};

/// A scale and a shift for each channel.
#[derive(Debug)]
pub struct Affine {
    pub(crate) scale: Kept,
    pub(crate) shift: Kept,
}

impl Affine {
    /// Keeps `[channels]` scales and shifts.
    ///
    /// # Errors
    /// Slices of other lengths, or no memory.
    pub(crate) fn keep(
        store: &mut Store,
        channels: usize,
        scale: &[f32],
        shift: &[f32],
    ) -> Result<Self, PlanError> {
        PlanError::expect_len("scales of a group-norm", channels, scale.len())?;
        PlanError::expect_len("shifts of a group-norm", channels, shift.len())?;
        Ok(Self {
            scale: store.keep(channels, |to| to.copy_from_slice(scale))?,
            shift: store.keep(channels, |to| to.copy_from_slice(shift))?,
        })
    }

    /// Bytes of both.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.scale) + size_of_val::<[f32]>(&self.shift)
    }
}
