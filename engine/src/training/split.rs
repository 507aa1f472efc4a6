//! Slices that are shared among tasks: by shapes alone, never by the number of threads, so that
//! results are the same to the bit for any.

use std::marker::PhantomData;
use std::ops::Range;

/// A slice that tasks write disjoint parts of.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    data: *mut f32,
    len: usize,
    _slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: whoever writes by way of it vouches that nobody else has that part.
unsafe impl Send for Span<'_> {}
// SAFETY: as above.
unsafe impl Sync for Span<'_> {}

impl<'a> Span<'a> {
    pub(super) fn new(slice: &'a mut [f32]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len(), _slice: PhantomData }
    }

    /// The first element.
    pub(super) fn pointer(self) -> *mut f32 {
        self.data
    }

    /// A part.
    ///
    /// # Safety
    /// Nobody else may have an element of it.
    pub(super) unsafe fn slice(self, range: Range<usize>) -> &'a mut [f32] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: inside the slice, and the caller vouches for it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }
}
