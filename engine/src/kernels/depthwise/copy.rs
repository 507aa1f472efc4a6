//! Copying rows of planes into rows of tiles, column by column or with columns sorted by phase.

use super::geometry::{Geometry, Span};
use crate::isa::Isa;

/// The same rows of consecutive planes, at least one of each, and where they go.
pub(super) struct Rows<'a> {
    pub(super) planes: usize,
    pub(super) rows: usize,
    pub(super) width: usize,
    /// The planes, from the first row on.
    pub(super) source: &'a [f32],
    /// Elements from one plane to the next.
    pub(super) source_pitch: usize,
    /// The tiles, from the first row on.
    pub(super) tiles: &'a mut [f32],
    /// Elements from one tile to the next.
    pub(super) tile_pitch: usize,
    /// Elements from one row in a tile to the next.
    pub(super) row_pitch: usize,
}

impl Rows<'_> {
    /// Where the last row starts in the source.
    fn last_source(&self) -> usize {
        (self.planes - 1) * self.source_pitch + (self.rows - 1) * self.width
    }

    /// Where the last row starts in the tiles.
    fn last_target(&self) -> usize {
        (self.planes - 1) * self.tile_pitch + (self.rows - 1) * self.row_pitch
    }

    /// Calls `copy` with every row and the elements from its place in a tile on.
    fn for_each(&mut self, copy: impl Fn(&[f32], &mut [f32])) {
        for plane in 0..self.planes {
            for row in 0..self.rows {
                let source = plane * self.source_pitch + row * self.width;
                let target = plane * self.tile_pitch + row * self.row_pitch;
                copy(&self.source[source..][..self.width], &mut self.tiles[target..]);
            }
        }
    }
}

/// Which columns of a row go where.
#[derive(Clone, Copy, Debug)]
pub(super) enum Columns {
    /// Neighbours stay neighbours.
    Contiguous(Span),
    /// Stride 2: of each pair of columns one goes to `even`, one to `odd`.
    Pairs { even: usize, odd: usize, count: usize },
    /// Any stride: the part for each phase collects its columns. The first one is at `origin`.
    Phases { origin: usize, stride: usize, phases: usize, part_len: usize, part_pitch: usize },
    /// Dilation: zeros come between neighbours.
    Spread(Span, usize),
}

impl Columns {
    /// The columns of `geometry` in parts of `part_len` that are `part_pitch` apart.
    pub(super) fn new(geometry: &Geometry, part_len: usize, part_pitch: usize) -> Self {
        let (stride, dilation) = (geometry.stride.1, geometry.dilation.1);
        // A stride comes with a padding, which is not negative.
        let origin = geometry.origin.1.unsigned_abs();
        if stride == 1 {
            let span = Span::new(geometry.source.1, geometry.origin.1, dilation, part_len);
            if dilation == 1 { Self::Contiguous(span) } else { Self::Spread(span, dilation) }
        } else if stride == 2 && geometry.kernel.1 > 1 {
            let target = |column: usize| column % 2 * part_pitch + column / 2;
            let count = (2 * part_len).saturating_sub(origin).min(geometry.source.1);
            Self::Pairs { even: target(origin), odd: target(origin + 1), count }
        } else {
            let phases = stride.min(geometry.kernel.1);
            Self::Phases { origin, stride, phases, part_len, part_pitch }
        }
    }

    /// Copies `rows`.
    #[inline(always)]
    pub(super) fn copy<I: Isa>(self, isa: I, mut rows: Rows<'_>) {
        match self {
            Self::Contiguous(span) => copy_contiguous(isa, rows, span),
            Self::Pairs { even, odd, count } => copy_pairs(isa, rows, [even, odd], count),
            Self::Phases { origin, stride, phases, part_len, part_pitch } => {
                rows.for_each(|source, row| {
                    for (phase, part) in (0..phases).zip(row.chunks_exact_mut(part_pitch)) {
                        let target = origin.saturating_sub(phase).div_ceil(stride);
                        let skip = (target * stride).saturating_add(phase) - origin;
                        let from = source.iter().skip(skip).step_by(stride);
                        let to = part[..part_len].iter_mut().skip(target);
                        to.zip(from).for_each(|(to, from)| *to = *from);
                    }
                })
            }
            Self::Spread(span, dilation) => rows.for_each(|source, row| {
                let from = source.iter().skip(span.skip).take(span.count);
                let to = row.iter_mut().skip(span.target).step_by(dilation);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }),
        }
    }
}

#[inline(always)]
fn copy_contiguous<I: Isa>(isa: I, rows: Rows<'_>, Span { skip, target, count }: Span) {
    assert!(rows.source.len() >= rows.last_source() + skip + count);
    assert!(rows.tiles.len() >= rows.last_target() + target + count.max(I::LANES));
    for plane in 0..rows.planes {
        for row in 0..rows.rows {
            // SAFETY: the last row has the largest offsets, and for it the assertions say that
            // `count` elements can be read from `from` on, and that as many, but at least one
            // vector, can be written from `to` on.
            unsafe {
                let source = plane * rows.source_pitch + row * rows.width;
                let from = rows.source.as_ptr().add(source + skip);
                let tile = plane * rows.tile_pitch + row * rows.row_pitch;
                let to = rows.tiles.as_mut_ptr().add(tile + target);
                if count < I::LANES {
                    isa.store(to, isa.load_partial(from, count));
                    continue;
                }
                let last = count - I::LANES;
                let mut column = 0;
                while column < last {
                    isa.store(to.add(column), isa.load(from.add(column)));
                    column += I::LANES;
                }
                isa.store(to.add(last), isa.load(from.add(last)));
            }
        }
    }
}

#[inline(always)]
fn copy_pairs<I: Isa>(isa: I, rows: Rows<'_>, [even, odd]: [usize; 2], count: usize) {
    let halves = count.div_ceil(2);
    assert!(rows.source.len() >= rows.last_source() + count);
    assert!(rows.tiles.len() >= rows.last_target() + even.max(odd) + halves.max(I::LANES));
    for plane in 0..rows.planes {
        for row in 0..rows.rows {
            // SAFETY: the last row has the largest offsets, and for it the assertions say that
            // `count` elements can be read from `from` on, and that half as many, but at least
            // one vector, can be written from `even` and from `odd` on.
            unsafe {
                let from = rows.source.as_ptr().add(plane * rows.source_pitch + row * rows.width);
                let tile = plane * rows.tile_pitch + row * rows.row_pitch;
                let even = rows.tiles.as_mut_ptr().add(tile + even);
                let odd = rows.tiles.as_mut_ptr().add(tile + odd);
                if count < 2 * I::LANES {
                    let first = count.min(I::LANES);
                    let a = isa.load_partial(from, first);
                    let b = isa.load_partial(from.add(first), count - first);
                    let (a, b) = isa.deinterleave(a, b);
                    isa.store(even, a);
                    isa.store(odd, b);
                    continue;
                }
                let last = count / 2 - I::LANES;
                let mut pair = 0;
                loop {
                    let a = isa.load(from.add(2 * pair));
                    let b = isa.load(from.add(2 * pair + I::LANES));
                    let (a, b) = isa.deinterleave(a, b);
                    isa.store(even.add(pair), a);
                    isa.store(odd.add(pair), b);
                    if pair == last {
                        break;
                    }
                    pair = last.min(pair + I::LANES);
                }
                if count % 2 == 1 {
                    *even.add(count / 2) = *from.add(count - 1);
                }
            }
        }
    }
}
