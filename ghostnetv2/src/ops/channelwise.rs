//! Work on the channels of `[B, C, H, W]` maps in f32 on the CPU: sums over all that a channel has,
//! and maps made plane by plane. Results do not depend on the number of threads.

use candle::{CpuStorage, DType, Layout, Result, Tensor, bail};
use rayon::prelude::*;

/// Planes together of at least this many elements are worth a task of their own.
const TASK_ELEMENTS: usize = 1 << 15;

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// A shape, with the pixels of a plane counted together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) plane: usize,
}

impl Extent {
    pub(super) fn of(x: &Tensor) -> Result<Self> {
        let (batch, channels, h, w) = x.dims4()?;
        Ok(Self { batch, channels, plane: h * w })
    }

    /// Values that a channel has.
    pub(super) fn count(self) -> usize {
        self.batch * self.plane
    }

    pub(super) fn len(self) -> usize {
        self.count() * self.channels
    }

    /// Planes that are one task.
    fn planes_of_task(self) -> usize {
        TASK_ELEMENTS.div_ceil(self.plane.max(1))
    }

    /// For each channel, what `of_plane` gives for its planes, added up in their order. `of_plane`
    /// is called with the channel and where its plane lies.
    pub(super) fn sums<const N: usize>(
        self,
        of_plane: impl Fn(usize, std::ops::Range<usize>) -> [f64; N] + Sync,
    ) -> Vec<[f64; N]> {
        let channels_of_task = TASK_ELEMENTS.div_ceil(self.count().max(1));
        let of_channel = |channel: usize| {
            let mut sums = [0.0; N];
            for picture in 0..self.batch {
                let start = (picture * self.channels + channel) * self.plane;
                let of_plane = of_plane(channel, start..start + self.plane);
                sums.iter_mut().zip(of_plane).for_each(|(sum, more)| *sum += more);
            }
            sums
        };
        let channels = (0..self.channels).into_par_iter().with_min_len(channels_of_task);
        channels.map(of_channel).collect()
    }

    /// A map of which `write` writes each plane, told its channel and where it lies.
    pub(super) fn map(
        self,
        write: impl Fn(usize, std::ops::Range<usize>, &mut [f32]) + Sync,
    ) -> Vec<f32> {
        let mut made = vec![0f32; self.len()];
        if made.is_empty() {
            return made; // chunks of nothing are not allowed
        }
        made.par_chunks_mut(self.plane).enumerate().with_min_len(self.planes_of_task()).for_each(
            |(i, made)| {
                let start = i * self.plane;
                write(i % self.channels, start..start + self.plane, made);
            },
        );
        made
    }
}

/// Whether the CPU's f32 loops can take all of these.
pub(super) fn takes(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

/// The elements of a storage that the callers made contiguous.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a channel-wise operation on a tensor that is not contiguous"),
    }
}

/// The sum of `term` over a slice.
pub(super) fn sum(x: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    sum_of_pairs(x, x, |x, _| term(x))
}

/// The sum of `term` over two slices of one length.
pub(super) fn sum_of_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f64 {
    let mut total = 0.0;
    // Short runs in single precision, which the compiler does side by side, then in double.
    for (a, b) in a.chunks(64 * LANES).zip(b.chunks(64 * LANES)) {
        let mut lanes = [0f32; LANES];
        let (a, a_rest) = a.as_chunks::<LANES>();
        let (b, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                lanes[lane] += term(a[lane], b[lane]);
            }
        }
        total += lanes.iter().copied().map(f64::from).sum::<f64>();
        total += a_rest.iter().zip(b_rest).map(|(&a, &b)| f64::from(term(a, b))).sum::<f64>();
    }
    total
}
