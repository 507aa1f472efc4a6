//! Memory for `f32` that starts at a cache line.

use std::ops::{Deref, DerefMut};

use crate::ShapeError;

const LINE: usize = 16;

/// One cache line: a vector that starts at its boundary is never split over two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A slice of `f32` that starts at a cache line.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros, or an error where there is no memory for them.
    pub(crate) fn zeroed(len: usize) -> Result<Self, ShapeError> {
        let mut lines = Vec::new();
        let count = len.div_ceil(LINE);
        lines.try_reserve_exact(count).map_err(|_| ShapeError::Scratch { elements: len })?;
        lines.resize(count, Line([0.0; LINE]));
        Ok(Self { lines, len })
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[f32; {}]", self.len)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are plain arrays without padding, at least `len` elements together.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_aligned_and_as_long_as_asked() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let scratch = Buffer::zeroed(len).unwrap();
            assert_eq!(scratch.len(), len);
            assert!(scratch.iter().all(|value| *value == 0.0));
            assert_eq!(scratch.as_ptr().align_offset(64), 0);
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Buffer::zeroed(usize::MAX).is_err());
    }
}
