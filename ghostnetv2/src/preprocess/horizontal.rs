//! The pass of a resize along the rows.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::{Axis, HALF, quantise, to_pixel};

/// Weights are padded with zeros to a multiple of this, so that the inner loop has no remainder.
const LANES: usize = 8;

/// Bits in the lower half of a weight.
const LOW_BITS: u32 = 12;

/// Weights kept at a time. A picture that is absurdly wide is done in blocks of columns.
const MAX_WEIGHTS: usize = 1 << 22;

/// Rows are shared out in parts of at least this many source bytes.
const BYTES_PER_TASK: usize = 1 << 16;

/// Resizes every row of `pixels`, which are `width` pixels wide, to the target `columns`.
pub(super) fn resize_rows(
    pixels: &[u8],
    width: usize,
    axis: &Axis,
    columns: Range<u64>,
) -> Vec<u8> {
    let out_stride = (columns.end - columns.start) as usize * 3;
    let rows = pixels.len() / (width * 3);
    let mut out = vec![0; rows * out_stride];
    let block = (MAX_WEIGHTS / axis.longest_window()).max(1) as u64;
    let mut start = columns.start;
    while start < columns.end {
        let end = columns.end.min(start + block);
        let taps = Taps::new(axis, start..end);
        let offset = (start - columns.start) as usize * 3;
        out.par_chunks_exact_mut(out_stride)
            .zip(pixels.par_chunks_exact(width * 3))
            .with_min_len(BYTES_PER_TASK / (width * 3) + 1)
            .for_each_init(
                || Planes::new(taps.source.len() + taps.length),
                |planes, (out, row)| {
                    planes.load(&row[taps.source.start * 3..taps.source.end * 3]);
                    let end = offset + taps.starts.len() * 3;
                    taps.apply(planes, &mut out[offset..end]);
                },
            );
        start = end;
    }
    out
}

/// The quantised weights of a block of columns.
///
/// A weight has 24 bits, too many for the 16-bit multiply-and-add that every x86 and ARM has.
/// So it is kept as two halves, `weight = high * 2^12 + low`; the two sums are put together at
/// the end, which is exact because all of it is arithmetic modulo 2^32.
struct Taps {
    /// Source columns that the block reads.
    source: Range<usize>,
    /// First source column of every window, counted from `source.start`.
    starts: Vec<usize>,
    /// Weights per window, a multiple of [`LANES`].
    length: usize,
    high: Vec<i16>,
    low: Vec<i16>,
}

impl Taps {
    fn new(axis: &Axis, columns: Range<u64>) -> Self {
        let source = axis.reads(columns.clone());
        let length = axis.longest_window().next_multiple_of(LANES);
        let count = (columns.end - columns.start) as usize;
        let mut taps = Self {
            starts: Vec::with_capacity(count),
            length,
            high: vec![0; count * length],
            low: vec![0; count * length],
            source,
        };
        let mut weights = Vec::new();
        for (slot, column) in columns.enumerate() {
            axis.weights(column, &mut weights);
            taps.starts.push(axis.window(column).start - taps.source.start);
            for (k, &weight) in weights.iter().enumerate() {
                let weight = quantise(weight);
                taps.high[slot * length + k] = (weight >> LOW_BITS) as i16;
                taps.low[slot * length + k] = (weight & ((1 << LOW_BITS) - 1)) as i16;
            }
        }
        taps
    }

    fn apply(&self, planes: &Planes, out: &mut [u8]) {
        let windows = self.high.chunks_exact(self.length).zip(self.low.chunks_exact(self.length));
        for ((pixel, &start), (high, low)) in out.chunks_exact_mut(3).zip(&self.starts).zip(windows)
        {
            let planes = planes.0.each_ref().map(|plane| &plane[start..start + self.length]);
            let sums = dots(planes, high, low);
            pixel.copy_from_slice(&sums.map(to_pixel));
        }
    }
}

/// For each colour, the sum of sample times weight, in fixed point, plus one half.
fn dots([red, green, blue]: [&[i16]; 3], high: &[i16], low: &[i16]) -> [i32; 3] {
    let (mut high_sums, mut low_sums) = ([0_i32; 3], [0_i32; 3]);
    let weights = high.iter().zip(low);
    for (((&red, &green), &blue), (&high, &low)) in red.iter().zip(green).zip(blue).zip(weights) {
        for (c, sample) in [red, green, blue].into_iter().enumerate() {
            let product = |weight: i16| i32::from(sample).wrapping_mul(i32::from(weight));
            high_sums[c] = high_sums[c].wrapping_add(product(high));
            low_sums[c] = low_sums[c].wrapping_add(product(low));
        }
    }
    std::array::from_fn(|c| {
        high_sums[c].wrapping_shl(LOW_BITS).wrapping_add(low_sums[c]).wrapping_add(HALF)
    })
}

/// One row, colour by colour, widened, and followed by zeros for the padded weights to meet.
struct Planes([Vec<i16>; 3]);

impl Planes {
    fn new(width: usize) -> Self {
        Self(std::array::from_fn(|_| vec![0; width]))
    }

    fn load(&mut self, row: &[u8]) {
        let [red, green, blue] = &mut self.0;
        for (((pixel, red), green), blue) in row.chunks_exact(3).zip(red).zip(green).zip(blue) {
            *red = i16::from(pixel[0]);
            *green = i16::from(pixel[1]);
            *blue = i16::from(pixel[2]);
        }
    }
}
