//! Maps side by side in the channels of one, and its gradient taken apart.
//!
//! All parts of some pixels are copied before those of the next, while they are in the cache.

use rayon::prelude::*;

use super::split::Span;
use crate::isa::{AnyIsa, Isa, Op};
use crate::nhwc::{load_lanes, store_lanes};

/// Elements of the whole that are worth a task.
const TASK_LEN: usize = 1 << 15;

/// Which channels of the whole come from a part: how many the part has, the first, and how many
/// fit. What of the last part is beyond the whole is left out.
fn places(
    parts: impl Iterator<Item = usize>,
    channels: usize,
) -> impl Iterator<Item = (usize, usize, usize)> {
    parts.scan(0, move |first, own| {
        let place = (own, *first, own.min(channels - *first));
        *first += place.2;
        Some(place)
    })
}

/// Copies maps, each with its number of channels, into one of `channels`.
pub(super) fn concat(isa: AnyIsa, parts: &[(&[f32], usize)], channels: usize, y: &mut [f32]) {
    let pixels = (TASK_LEN / channels.max(1)).max(1);
    y.par_chunks_mut(pixels * channels).enumerate().for_each(|(task, y)| {
        let count = y.len() / channels;
        let places = places(parts.iter().map(|part| part.1), channels);
        for ((part, _), (own, first, taken)) in parts.iter().zip(places) {
            let from = &part[task * pixels * own..][..count * own];
            isa.run(Copy { from: (from, own, 0), to: (&mut *y, channels, first), taken });
        }
    });
}

/// Copies the channels of a map, `channels` of each pixel, to the maps that it was made of.
pub(super) fn split(isa: AnyIsa, y: &[f32], channels: usize, parts: &mut [(&mut [f32], usize)]) {
    let pixels = (TASK_LEN / channels.max(1)).max(1);
    let places: Vec<_> = places(parts.iter().map(|part| part.1), channels).collect();
    for ((part, _), (own, _, taken)) in parts.iter_mut().zip(&places) {
        if taken < own {
            part.fill(0.0);
        }
    }
    let spans: Vec<Span> = parts.iter_mut().map(|(part, _)| Span::new(part)).collect();
    y.par_chunks(pixels * channels).enumerate().for_each(|(task, y)| {
        let (start, count) = (task * pixels, y.len() / channels);
        for (span, &(own, first, taken)) in spans.iter().zip(&places) {
            // SAFETY: no other task has these pixels.
            let to = unsafe { span.slice(start * own..(start + count) * own) };
            isa.run(Copy { from: (y, channels, first), to: (to, own, 0), taken });
        }
    });
}

/// Copies `taken` channels of each pixel: from a map and to one, each with its number of channels
/// and the first of those.
struct Copy<'a> {
    from: (&'a [f32], usize, usize),
    to: (&'a mut [f32], usize, usize),
    taken: usize,
}

impl Op for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ((from, from_channels, first_from), (to, to_channels, first_to)) = (self.from, self.to);
        assert!(first_from + self.taken <= from_channels && first_to + self.taken <= to_channels);
        let pixels = to.chunks_exact_mut(to_channels).zip(from.chunks_exact(from_channels));
        for (to, from) in pixels {
            let mut channel = 0;
            while channel < self.taken {
                let lanes = I::LANES.min(self.taken - channel);
                // SAFETY: both pixels have these channels, see above.
                unsafe {
                    let value = load_lanes(isa, from.as_ptr().add(first_from + channel), lanes);
                    store_lanes(isa, to.as_mut_ptr().add(first_to + channel), value, lanes);
                }
                channel += I::LANES;
            }
        }
    }
}
