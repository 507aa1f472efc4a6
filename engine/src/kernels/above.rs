//! Where values are above another: what a detector's millions of scores are looked through for.

use crate::isa::{AnyIsa, Isa, Op};
use crate::nhwc::load_lanes;

/// Vectors that are looked at together, as most hold nothing; their bits fit into one word.
const TOGETHER: usize = 4;

/// Adds the positions of the `values` that are above `floor` to `found`, in their order. NaN never
/// is.
///
/// # Example
/// ```
/// let mut found = Vec::new();
/// engine::kernels::above(&[0.5, 2.0, f32::NAN, 1.0, 3.0], 1.0, &mut found);
/// assert_eq!(found, [1, 4]);
/// ```
pub fn above(values: &[f32], floor: f32, found: &mut Vec<usize>) {
    above_on(AnyIsa::best(), values, floor, found);
}

/// [`above`] on a chosen instruction set.
pub fn above_on(isa: AnyIsa, values: &[f32], floor: f32, found: &mut Vec<usize>) {
    isa.run(Above { values, floor, found: |position| found.push(position) });
}

/// Tells `found` the positions of the `values` above `floor`, in their order.
pub(crate) struct Above<'a, F> {
    pub(crate) values: &'a [f32],
    pub(crate) floor: f32,
    pub(crate) found: F,
}

impl<F: FnMut(usize)> Op for Above<'_, F> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let floor = isa.splat(self.floor);
        let whole = self.values.chunks_exact(TOGETHER * I::LANES);
        let rest = whole.remainder();
        let mut first = 0;
        for part in whole {
            let mut bits = 0;
            for i in 0..TOGETHER {
                // SAFETY: `part` has so many vectors.
                let vector = unsafe { isa.load(part.as_ptr().add(i * I::LANES)) };
                bits |= u64::from(isa.above(vector, floor)) << (i * I::LANES);
            }
            Ones { bits, first }.for_each(&mut self.found);
            first += part.len();
        }
        let mut bits = 0;
        for (i, part) in rest.chunks(I::LANES).enumerate() {
            // SAFETY: `part` has no more elements than a vector has lanes.
            let vector = unsafe { load_lanes(isa, part.as_ptr(), part.len()) };
            let lanes = (1 << part.len()) - 1;
            bits |= u64::from(isa.above(vector, floor) & lanes) << (i * I::LANES);
        }
        Ones { bits, first }.for_each(self.found);
    }
}

/// The positions of the bits that are set, counted from `first`.
struct Ones {
    bits: u64,
    first: usize,
}

impl Iterator for Ones {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let lowest = self.bits.trailing_zeros() as usize;
        (self.bits != 0).then(|| {
            self.bits &= self.bits - 1;
            self.first + lowest
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_loop_finds_on_every_instruction_set() {
        for isa in AnyIsa::available() {
            for len in (0..70).chain([127, 128, 129, 1000]) {
                for floor in [-1.0, 0.0, 0.9, f32::NEG_INFINITY, f32::INFINITY, f32::NAN] {
                    // From -1.5 to 1.5, with the odd ones in between.
                    let value = |i: usize| match i % 11 {
                        7 => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0][i / 11 % 4],
                        _ => ((i * 37 % 61) as f32 - 30.0) / 20.0,
                    };
                    // A vector of its own, so that a memory checker sees reads behind its end.
                    let values: Vec<f32> = (0..len).map(value).collect();
                    let mut found = vec![9];
                    above_on(isa, &values, floor, &mut found);
                    let expected = (0..len).filter(|&i| values[i] > floor);
                    let expected: Vec<usize> = [9].into_iter().chain(expected).collect();
                    assert_eq!(found, expected, "{}, {len} values, {floor}", isa.name());
                }
            }
        }
    }
}
