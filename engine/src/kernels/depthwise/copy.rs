//! Copying the columns of a plane into the rows of a tile.

use super::geometry::{Geometry, Span};
use crate::isa::Isa;

/// Which columns go where in a row of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) enum Columns {
    /// Neighbours stay neighbours.
    Contiguous(Span),
    /// Stride 2: pairs of columns part, the even ones to `even`, the odd ones to `odd`.
    Pairs { even: usize, odd: usize, count: usize },
    /// Any stride: the part for each phase collects its columns. The first is at `origin`.
    Phases { origin: usize, stride: usize, part_len: usize, part_pitch: usize },
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
            Self::Phases { origin, stride, part_len, part_pitch }
        }
    }

    /// Copies the rows of `source`, which are `width` wide, to rows of `tile` that are `pitch`
    /// apart.
    #[inline(always)]
    pub(super) fn copy<I: Isa>(
        self,
        isa: I,
        source: &[f32],
        width: usize,
        tile: &mut [f32],
        pitch: usize,
    ) {
        match self {
            Self::Contiguous(span) => copy_contiguous(isa, source, width, tile, pitch, span),
            Self::Pairs { even, odd, count } => {
                copy_pairs(isa, source, width, tile, pitch, [even, odd], count);
            }
            Self::Phases { origin, stride, part_len, part_pitch } => {
                for (source, row) in source.chunks_exact(width).zip(tile.chunks_mut(pitch)) {
                    for (phase, part) in row.chunks_exact_mut(part_pitch).enumerate() {
                        let target = origin.saturating_sub(phase).div_ceil(stride);
                        let skip = target * stride + phase - origin;
                        let from = source.iter().skip(skip).step_by(stride);
                        let to = part[..part_len].iter_mut().skip(target);
                        to.zip(from).for_each(|(to, from)| *to = *from);
                    }
                }
            }
            Self::Spread(span, dilation) => {
                for (source, row) in source.chunks_exact(width).zip(tile.chunks_mut(pitch)) {
                    let from = source.iter().skip(span.skip).take(span.count);
                    let to = row.iter_mut().skip(span.target).step_by(dilation);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

#[inline(always)]
fn copy_contiguous<I: Isa>(
    isa: I,
    source: &[f32],
    width: usize,
    tile: &mut [f32],
    pitch: usize,
    Span { skip, target, count }: Span,
) {
    let rows = source.len() / width;
    assert!(rows > 0 && skip + count <= width);
    assert!(tile.len() >= (rows - 1) * pitch + target + count.max(I::LANES));
    for row in 0..rows {
        // SAFETY: by the assertions, `count` elements can be read from `from` on in each of the
        // rows, and as many, but at least one vector, written from `to` on.
        unsafe {
            let from = source.as_ptr().add(row * width + skip);
            let to = tile.as_mut_ptr().add(row * pitch + target);
            if count < I::LANES {
                isa.store(to, isa.load_partial(from, count));
            } else {
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
fn copy_pairs<I: Isa>(
    isa: I,
    source: &[f32],
    width: usize,
    tile: &mut [f32],
    pitch: usize,
    [even, odd]: [usize; 2],
    count: usize,
) {
    let rows = source.len() / width;
    assert!(rows > 0 && count <= width);
    assert!(tile.len() >= (rows - 1) * pitch + even.max(odd) + count.div_ceil(2).max(I::LANES));
    for row in 0..rows {
        // SAFETY: by the assertions, `count` elements can be read from `from` on in each of the
        // rows, and half as many, but at least one vector, written from `even` and `odd` on.
        unsafe {
            let from = source.as_ptr().add(row * width);
            let (even, odd) = {
                let to = tile.as_mut_ptr().add(row * pitch);
                (to.add(even), to.add(odd))
            };
            if count < 2 * I::LANES {
                let first = count.min(I::LANES);
                let a = isa.load_partial(from, first);
                let b = isa.load_partial(from.add(first), count - first);
                let (a, b) = isa.deinterleave(a, b);
                isa.store(even, a);
                isa.store(odd, b);
            } else {
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
