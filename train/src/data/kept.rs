//! Decoded files that stay in memory while there is room.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// How much memory decoded files may still take, shared by all data sets of a run.
///
/// What is kept and what is read anew is all that it decides: values are the same.
#[derive(Clone, Debug)]
pub struct Room(Arc<AtomicU64>);

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Takes so many bytes, if they are there.
    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl Default for Room {
    /// 1 GiB.
    fn default() -> Self {
        Self::new(1 << 30)
    }
}

/// Values with numbers, each read when it is asked for.
#[derive(Debug)]
pub(super) struct Kept<T> {
    slots: Vec<OnceLock<T>>,
    room: Room,
}

impl<T: Clone> Kept<T> {
    pub(super) fn new(len: usize, room: Room) -> Self {
        Self { slots: (0..len).map(|_| OnceLock::new()).collect(), room }
    }

    /// Value `i`, which `read` reads, and how many bytes it takes.
    pub(super) fn get<E>(
        &self,
        i: usize,
        bytes: impl Fn(&T) -> u64,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Cow<'_, T>, E> {
        let slot = self.slots.get(i);
        if let Some(value) = slot.and_then(OnceLock::get) {
            return Ok(Cow::Borrowed(value));
        }
        let value = read()?;
        match slot {
            // Two threads that read the same value at once take room for both: no harm is done.
            Some(slot) if self.room.take(bytes(&value)) => {
                Ok(Cow::Borrowed(slot.get_or_init(|| value)))
            }
            _ => Ok(Cow::Owned(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_room_is_read_once() {
        let kept = Kept::new(3, Room::new(10));
        let mut reads = 0;
        for _ in 0..2 {
            for i in 0..3 {
                let value = kept.get(
                    i,
                    |_| 5,
                    || -> Result<usize, ()> {
                        reads += 1;
                        Ok(i * 7)
                    },
                );
                assert_eq!(*value.unwrap(), i * 7);
            }
        }
        // The first two once, the third twice.
        assert_eq!(reads, 4);
        assert_eq!(kept.get(2, |_| 5, || Err("gone")), Err("gone"));
    }
}
