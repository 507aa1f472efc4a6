//! Where maps lie: one block of memory, in which those that do not live together share.

/// Elements that places are multiples of: 256 bytes of f16, so that reads are aligned.
const ALIGNMENT: usize = 128;

/// Free runs of a block that grows where none is long enough.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Start and length, sorted; no two touch.
    free: Vec<(usize, usize)>,
    len: usize,
}

impl Arena {
    /// A place for `len` elements.
    pub(super) fn allocate(&mut self, len: usize) -> usize {
        let len = len.next_multiple_of(ALIGNMENT);
        if let Some(i) = self.free.iter().position(|&(_, room)| room >= len) {
            let (start, room) = self.free[i];
            if room == len {
                self.free.remove(i);
            } else {
                self.free[i] = (start + len, room - len);
            }
            return start;
        }
        let start = self.len;
        self.len += len;
        start
    }

    /// Gives back what [`Arena::allocate`] gave for this length.
    pub(super) fn release(&mut self, start: usize, len: usize) {
        let len = len.next_multiple_of(ALIGNMENT);
        let i = self.free.partition_point(|&(other, _)| other < start);
        self.free.insert(i, (start, len));
        if let Some(&(next, more)) = self.free.get(i + 1)
            && start + len == next
        {
            self.free[i].1 += more;
            self.free.remove(i + 1);
        }
        if i > 0 && self.free[i - 1].0 + self.free[i - 1].1 == start {
            self.free[i - 1].1 += self.free[i].1;
            self.free.remove(i);
        }
    }

    /// Elements of the block.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_given_again() {
        let mut arena = Arena::default();
        let places = [100, 200, 300].map(|len| (arena.allocate(len), len));
        assert_eq!(places.map(|(start, _)| start), [0, 128, 384]);
        for (start, len) in [places[0], places[2], places[1]] {
            arena.release(start, len);
        }
        assert_eq!(arena.free, [(0, 768)]);
        assert_eq!(arena.allocate(700), 0);
        assert_eq!((arena.allocate(1), arena.len()), (768, 896));
    }
}
