//! Memory for `f32` that starts at a cache line, on huge pages where it is large.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::ShapeError;

/// A vector that starts at its boundary is never split over two cache lines.
const LINE: usize = 64;

/// What an x86-64 or Arm system has as huge pages: weights that stream through once cost fewer
/// page walks on them.
const HUGE_PAGE: usize = 2 << 20;

/// A slice of `f32` that starts at a cache line.
pub(crate) struct Buffer {
    memory: Memory,
    len: usize,
}

/// Zeros, and what gives them back.
struct Memory {
    data: NonNull<f32>,
    source: Source,
}

enum Source {
    Heap(Layout),
    /// So many bytes of pages from the system.
    #[cfg(target_os = "linux")]
    Pages(usize),
}

// SAFETY: a buffer owns its memory.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// `len` zeros, or an error where there is no memory for them.
    pub(crate) fn zeroed(len: usize) -> Result<Self, ShapeError> {
        let none = ShapeError::Scratch { elements: len };
        let Some(bytes) = len.max(1).checked_mul(size_of::<f32>()) else { return Err(none) };
        let memory = if bytes >= HUGE_PAGE { Memory::of_pages(bytes) } else { None };
        let memory = memory.or_else(|| Memory::of_heap(bytes)).ok_or(none)?;
        Ok(Self { memory, len })
    }

    /// Its memory, for those who share a buffer and write to parts of their own.
    pub(crate) fn pointer(&self) -> *mut f32 {
        self.memory.data.as_ptr()
    }
}

impl Memory {
    /// From the heap, at a cache line; `None` where there is none.
    fn of_heap(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, LINE).ok()?;
        // SAFETY: the layout is not empty.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) }.cast())?;
        Some(Self { data, source: Source::Heap(layout) })
    }

    /// Pages from the system, which are zeros and become huge ones when they are first touched:
    /// zeros that were written here would be written twice.
    #[cfg(target_os = "linux")]
    fn of_pages(bytes: usize) -> Option<Self> {
        let bytes = bytes.checked_next_multiple_of(HUGE_PAGE)?;
        let all = bytes.checked_add(HUGE_PAGE)?;
        let (read_write, private) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, which takes the place of none.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), all, read_write, private, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        // From the first boundary of a huge page on; what is before and behind goes back.
        let before = start.align_offset(HUGE_PAGE);
        let data = start.wrapping_byte_add(before);
        let after = data.wrapping_byte_add(bytes);
        // SAFETY: all of it is inside the mapping, which nobody else knows yet. Neither advice nor
        // ends that stay are a fault: they only cost some memory or time.
        unsafe {
            if before > 0 {
                libc::munmap(start, before);
            }
            if before < HUGE_PAGE {
                libc::munmap(after, HUGE_PAGE - before);
            }
            libc::madvise(data, bytes, libc::MADV_HUGEPAGE);
        }
        Some(Self { data: NonNull::new(data.cast())?, source: Source::Pages(bytes) })
    }

    #[cfg(not(target_os = "linux"))]
    fn of_pages(_bytes: usize) -> Option<Self> {
        None
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let data = self.data.as_ptr();
        match self.source {
            // SAFETY: allocated with this layout.
            Source::Heap(layout) => unsafe { dealloc(data.cast(), layout) },
            // SAFETY: mapped with this length.
            #[cfg(target_os = "linux")]
            Source::Pages(bytes) => unsafe {
                libc::munmap(data.cast(), bytes);
            },
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` initialised elements that the buffer owns.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.len) }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[f32; {}]", self.len)
    }
}

/// Elements of a chunk of a [`Store`].
const CHUNK: usize = 1 << 20;

/// Keeps many slices in a few large buffers, so that they come to lie on huge pages.
#[derive(Debug, Default)]
pub(crate) struct Store {
    chunk: Option<Arc<Buffer>>,
    used: usize,
}

/// A slice in a [`Store`], which starts at a cache line. It lives as long as it is used.
#[derive(Debug)]
pub(crate) struct Kept {
    chunk: Arc<Buffer>,
    start: usize,
    len: usize,
}

impl Store {
    /// Room for `len` values, zeros that `fill` is called with.
    pub(crate) fn keep(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [f32]),
    ) -> Result<Kept, ShapeError> {
        let room = self.chunk.as_ref().map_or(0, |chunk| chunk.len - self.used);
        let (chunk, start) = match &self.chunk {
            Some(chunk) if len <= room => (chunk.clone(), self.used),
            // What is as large as a chunk gets a buffer of its own, and the rest of the last chunk
            // is still there for the next.
            _ if len >= CHUNK => (Arc::new(Buffer::zeroed(len)?), 0),
            _ => {
                self.used = 0;
                (self.chunk.insert(Arc::new(Buffer::zeroed(CHUNK)?)).clone(), 0)
            }
        };
        if self.chunk.as_ref().is_some_and(|current| Arc::ptr_eq(current, &chunk)) {
            self.used = (start + len).next_multiple_of(LINE / size_of::<f32>()).min(chunk.len);
        }
        // SAFETY: inside the chunk, and this part has not been given out: nobody else reads or
        // writes it.
        fill(unsafe { std::slice::from_raw_parts_mut(chunk.pointer().add(start), len) });
        Ok(Kept { chunk, start, len })
    }
}

impl Deref for Kept {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: initialised, and written to by nobody since it was kept. Not by way of the whole
        // chunk's slice, parts of which may be written to.
        unsafe { std::slice::from_raw_parts(self.chunk.pointer().add(self.start), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_aligned_and_as_long_as_asked() {
        for len in [0, 1, 15, 16, 17, 1000, HUGE_PAGE / 4 + 3] {
            let buffer = Buffer::zeroed(len).unwrap();
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|value| *value == 0.0));
            assert_eq!(buffer.as_ptr().align_offset(LINE), 0);
        }
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Buffer::zeroed(usize::MAX).is_err());
        assert!(Buffer::zeroed(usize::MAX / 8).is_err());
    }

    #[test]
    fn what_is_kept_stays_and_lies_at_cache_lines() {
        let mut store = Store::default();
        let values: Vec<Vec<f32>> =
            [1, 17, CHUNK - 5, 3, 2 * CHUNK, 7].map(|len| vec![len as f32; len]).to_vec();
        let kept: Vec<_> = values
            .iter()
            .map(|values| store.keep(values.len(), |to| to.copy_from_slice(values)).unwrap())
            .collect();
        drop(store);
        for (kept, values) in kept.iter().zip(&values) {
            assert_eq!(kept[..], values[..]);
            assert_eq!(kept.as_ptr().align_offset(LINE), 0);
        }
    }
}
