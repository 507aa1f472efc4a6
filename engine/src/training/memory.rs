//! Memory of maps, which goes from pass to pass.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks that passes used and the next ones will use again: what the system gives anew comes page
/// by page, which costs as much as many operations do. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    free: Arc<Mutex<Vec<Vec<f32>>>>,
}

/// A block of memory; it goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Block {
    data: Vec<f32>,
    len: usize,
    memory: Memory,
}

impl Memory {
    /// A block of `len` elements of any value.
    pub(super) fn take(&self, len: usize) -> Block {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, but none that is much too large.
        let fits = free
            .iter()
            .enumerate()
            .filter(|(_, block)| block.len() >= len && block.len() / 2 <= len);
        let best = fits.min_by_key(|(_, block)| block.len()).map(|(place, _)| place);
        let data = best.map(|place| free.swap_remove(place));
        drop(free);
        let data = data.unwrap_or_else(|| vec![0.0; len]);
        Block { data, len, memory: self.clone() }
    }

    /// Gives everything back to the system.
    pub fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.memory.free.lock().unwrap_or_else(PoisonError::into_inner).push(data);
    }
}

impl Deref for Block {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}
